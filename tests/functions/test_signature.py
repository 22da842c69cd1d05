"""Inputs and outputs that are read from a function, and the sentences for those that cannot be."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

from naiad.core.errors import InvalidConfiguration
from naiad.functions import Tensor, batch, first_value, sample
from naiad.functions.signature import read_inputs, read_outputs

Image = Annotated[NDArray[np.uint8], (224, 224, 3)]


class Found(TypedDict):
    label: str
    score: np.float32


class Pair(NamedTuple):
    left: NDArray[np.int32]
    right: bool


@batch
def many(
    a: NDArray[np.float32],
    b: Image,
    c: Annotated[NDArray[np.float16] | None, Tensor((2, -1), "BF16")] = None,
    d: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], Annotated[NDArray[np.int8], (3,)]]:
    raise NotImplementedError


@sample
def scalars(a: float, b: int, c: bool, d: str, e: bytes, f: np.uint16) -> Found:
    raise NotImplementedError


@batch
@first_value("n")
def stream(x: NDArray[np.float32], n: int) -> Iterator[Pair]:
    raise NotImplementedError
    yield


@sample
async def later(x: str) -> AsyncIterator[str]:
    raise NotImplementedError
    yield


class Model:
    @batch
    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError


def told(tensors: Any) -> list[tuple[Any, ...]]:
    return [(tensor.name, tensor.row.name, tensor.shape, tensor.optional) for tensor in tensors]


def test_arrays() -> None:
    assert told(read_inputs(many)) == [
        ("a", "FP32", (-1,), False),
        ("b", "UINT8", (224, 224, 3), False),
        ("c", "BF16", (2, -1), True),
        ("d", "INT64", (-1,), True),
    ]
    assert told(read_outputs(many)) == [("OUTPUT_1", "FP64", (-1,), False), ("OUTPUT_2", "INT8", (3,), False)]


def test_single_values() -> None:
    datatypes = ["FP64", "INT64", "BOOL", "BYTES", "BYTES", "UINT16"]
    expected = [(name, kind, (1,), False) for name, kind in zip("abcdef", datatypes, strict=True)]
    assert told(read_inputs(scalars)) == expected
    assert told(read_outputs(scalars)) == [("label", "BYTES", (1,), False), ("score", "FP32", (1,), False)]


def test_what_a_generator_yields() -> None:
    assert told(read_inputs(stream)) == [("x", "FP32", (-1,), False), ("n", "INT64", (1,), False)]
    assert told(read_outputs(stream)) == [("left", "INT32", (-1,), False), ("right", "BOOL", (1,), False)]
    assert told(read_outputs(later)) == [("OUTPUT_1", "BYTES", (1,), False)]


@pytest.mark.parametrize("function", [Model().infer, batch(Model()), functools.partial(Model().infer)])
def test_methods_objects_and_partials(function: Any) -> None:
    assert told(read_inputs(function)) == [("x", "FP32", (-1,), False)]
    assert told(read_outputs(function)) == [("OUTPUT_1", "FP32", (-1,), False)]


def undecorated(requests: Any) -> Any:
    raise NotImplementedError


@batch
def unhinted(x):  # type: ignore[no-untyped-def]
    raise NotImplementedError


@batch
def anything(**inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    raise NotImplementedError


@batch
def vague(x: np.ndarray) -> Any:  # type: ignore[type-arg]
    raise NotImplementedError


@batch
def unreadable(x: Nowhere) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "inputs", "outputs"),
    [
        (undecorated, "put @batch or @sample above it", "the hint .* of 'OUTPUT_1' does not tell a dtype"),
        (unhinted, "parameter 'x' has no type hint", "its result has no type hint"),
        (anything, r"'\*\*inputs.*' does not name its inputs", "a dict does not name its outputs"),
        (vague, "the hint .* of 'x' does not tell a dtype", "does not tell a dtype"),
        (unreadable, "its type hints cannot be read: name 'Nowhere'", "cannot be read"),
    ],
)
def test_what_is_left_open_is_said(function: Any, inputs: str, outputs: str) -> None:
    with pytest.raises(InvalidConfiguration, match=inputs):
        read_inputs(function)
    with pytest.raises(InvalidConfiguration, match=outputs):
        read_outputs(function)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((), np.float32), "at least one dimension"),
        (((0,), np.float32), "at least one dimension"),
        (((-2,), np.float32), "1 or more, or -1"),
        ((5, np.float32), "tuple of whole numbers, not 5"),
        ((("a",), np.float32), "tuple of whole numbers"),
        (((1,), np.complex64), "dtype <class 'numpy.complex64'> is none"),
        (((1,), "FP31"), "dtype 'FP31' is none"),
        (((1,), None, "x"), "tensor 'x'"),
    ],
)
def test_a_tensor_that_cannot_be(arguments: Any, error: str) -> None:
    if arguments[1] is None:
        arguments = (arguments[0], "nothing", *arguments[2:])
    with pytest.raises(InvalidConfiguration, match=error):
        Tensor(*arguments)
