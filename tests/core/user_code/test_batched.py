"""`naiad.batched` without a server, and how calls are joined and split."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import naiad
from naiad.core.user_code import batched as batched_module
from naiad.core.user_code.joined_calls import BoundCall, bind_call, run_joined, split


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Functions that a test marks are forgotten after it."""
    before = batched_module.functions()
    yield
    batched_module._registry.functions[:] = before
    batched_module.run_with(None)


def one(rows: Any, scale: float = 1.0, names: Any = None) -> Any:
    """Stands for a model."""


SIGNATURE = inspect.signature(one)


def bound(*args: Any, **kwargs: Any) -> BoundCall:
    return bind_call("one", SIGNATURE, args, kwargs)


def test_without_a_server_a_marked_function_is_the_function() -> None:
    @naiad.batched
    def double(rows: list[int]) -> list[int]:
        """Twice."""
        return [2 * row for row in rows]

    assert (double([1, 2]), double.__doc__, double.__name__) == ([2, 4], "Twice.", "double")
    assert double(7 for _ in range(1)) == [14]  # even with what could not be joined


async def test_coroutine_functions_and_aio_without_a_server() -> None:
    @naiad.batched(max_batch_size=3)
    async def double(rows: list[int]) -> list[int]:
        return [2 * row for row in rows]

    @naiad.batched
    def triple(rows: list[int]) -> list[int]:
        return [3 * row for row in rows]

    assert await double([1]) == await double.aio([1]) == [2]
    assert await triple.aio([1]) == [3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: naiad.batched(max_batch_size=0)(one), "max_batch_size of one must be at least 1"),
        (lambda: naiad.batched(max_wait_ms=-1)(one), "max_wait_ms of one"),
        (lambda: naiad.batched(max_wait_ms=float("nan"))(one), "max_wait_ms of one"),
        (lambda: naiad.batched(instances=-1)(one), "instances of one"),
        (lambda: naiad.batched(name="a/b")(one), "'a/b' is no name"),
        (lambda: naiad.batched(lambda *rows: rows), r"takes \*rows"),
        (lambda: naiad.batched(lambda: 1), "takes no arguments"),
        (lambda: naiad.batched(3), "3 is no function"),
    ],
)
def test_what_cannot_be_marked(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((5,), {}, "needs an argument with rows, a list or a numpy array; 'rows' is a int"),
        (([],), {}, "'rows' has no rows"),
        (([1, 2],), {"names": ["a"]}, "'rows' has 2, 'names' has 1"),
        ((np.float32(1),), {}, "needs an argument with rows"),
        ((np.array(1),), {}, "needs an argument with rows"),
        (([1], 1.0, None, 3), {}, "too many positional"),
        (([1],), {"scal": 2}, "unexpected keyword argument 'scal'"),
        ((np.ma.masked_array([1, 2], [True, False]),), {}, "'rows' is a masked array; pass its data and its mask"),
    ],
)
def test_calls_that_cannot_be_joined(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        bound(*args, **kwargs)


def test_only_calls_that_are_alike_but_for_their_rows_are_of_one_group() -> None:
    same = [bound([1]), bound([2, 3]), bound(rows=[4])]
    assert len({call.group for call in same}) == 1
    other = [
        bound([1], 2.0),
        bound([1], names=["a"]),
        bound(np.zeros((1, 2))),
        bound(np.zeros((1, 3))),
        bound(np.zeros((1, 2), np.float32)),
    ]
    assert len({call.group for call in [*same, *other]}) == 6


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([1, 2, 3], [[1], [2, 3]]),
        ({"a": [1, 2, 3], "b": (["x", "y", "z"],)}, [{"a": [1], "b": (["x"],)}, {"a": [2, 3], "b": (["y", "z"],)}]),
    ],
)
def test_results_are_split_by_rows(result: Any, expected: list[Any]) -> None:
    assert split("one", result, [1, 2]) == [(part, None) for part in expected]


def test_arrays_are_split_by_rows() -> None:
    (first, _), (second, _) = split("one", np.arange(6).reshape(3, 2), [1, 2])
    assert (first.tolist(), second.tolist()) == ([[0, 1]], [[2, 3], [4, 5]])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1, 2], "returned 2 rows for 3"),
        (None, "returned a NoneType"),
        ("abc", "returned a str"),
        (np.float32(3), "returned a float32"),
        ({"a": [1, 2, 3], "b": 7}, "returned a int"),
        (iter([1, 2, 3]), "returned a list_iterator"),
    ],
)
def test_results_without_a_row_for_each(result: Any, message: str) -> None:
    ((got, error),) = run_joined("one", lambda _: result, [bound([1, 2, 3])])
    assert got is None
    assert message in str(error)


def test_what_fails_together_is_run_apart_once() -> None:
    runs: list[list[int]] = []

    def model(arguments: dict[str, Any]) -> list[int]:
        runs.append(arguments["rows"])
        if 13 in arguments["rows"]:
            raise ValueError("13")
        return arguments["rows"]

    outcomes = run_joined("one", model, [bound([1]), bound([13]), bound([3, 4])])
    assert runs == [[1, 13, 3, 4], [1], [13], [3, 4]]
    assert [outcomes[0], outcomes[2]] == [([1], None), ([3, 4], None)]
    assert repr(outcomes[1][1]) == "ValueError('13')"


def test_arrays_and_lists_are_put_one_behind_the_other() -> None:
    seen = {}

    def model(arguments: dict[str, Any]) -> list[Any]:
        seen.update(arguments)
        return list(arguments["names"])

    calls = [bound(np.zeros((1, 2)), 2.0, ["a"]), bound(np.ones((2, 2)), 2.0, ["b", "c"])]
    assert run_joined("one", model, calls) == [(["a"], None), (["b", "c"], None)]
    assert (seen["rows"].shape, seen["scale"], seen["names"]) == ((3, 2), 2.0, ["a", "b", "c"])


def read_only() -> Any:
    array = np.ones((1, 2))
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("rows", [(1,), [1], np.ones((1, 2)), np.rec.array(np.ones((1, 2))), read_only()], ids=type)
def test_a_function_sees_the_same_kinds_alone_and_with_others(rows: Any) -> None:
    seen: list[Any] = []

    def model(arguments: dict[str, Any]) -> list[Any]:
        seen.append(arguments["rows"])
        return [0] * len(arguments["rows"])

    run_joined("one", model, [bound(rows)])
    run_joined("one", model, [bound(rows), bound(rows)])
    alone, joined = seen
    assert type(alone) is type(joined)
    assert type(alone) in (list, np.ndarray)
    if isinstance(alone, np.ndarray):
        assert (alone.shape[1:], alone.flags.writeable) == (joined.shape[1:], joined.flags.writeable)
