"""Every encoder of answers gives the same bytes, however the numbers lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import TABLE
from naiad.core.errors import Failed
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Array, Tensor
from naiad.protocol import binary, generate
from naiad.protocol.grpc import infer_answer as grpc_answer
from naiad.protocol.json import infer_answer
from naiad.protocol.json import tensor as tensor_json
from naiad.serving.classification import classify

from .layouts import LAYOUTS, SHAPES, sample

DATATYPES = [row.name for row in TABLE]
HALVES = ("FP16", "BF16")


def encodings(datatype: str, data: Array) -> list[bytes]:
    """One tensor through all encoders that can carry its datatype."""
    tensor = Tensor("y", datatype, data)
    answer = InferResponse("m", "1", [tensor], "7")
    as_binary = infer_answer.encode(InferRequest("m", "1", "7"), answer, binary_default=True)
    made = [
        binary.encode(tensor),
        bytes(binary.view(tensor)),
        as_binary.header + b"".join(map(bytes, as_binary.tail)),
        grpc_answer.encode(answer),
        grpc_answer.encode_stream(answer, is_final=True),
    ]
    if datatype not in HALVES:
        as_json = infer_answer.encode(InferRequest("m", "1", "7"), answer, binary_default=False)
        made += [tensor_json.encode(tensor), as_json.header, generate.encode(answer)]
    if datatype not in (*HALVES, "BYTES", "BOOL"):
        request = InferRequest("m", "1", outputs=(RequestedOutput("y", class_count=2),))
        for has_batch in (False, True):
            best = classify(InferResponse("m", "1", [tensor]), request, {}, has_batch=has_batch)
            made.append(binary.encode(best.outputs[0]))
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
@given(datatype=st.sampled_from(DATATYPES), shape=st.sampled_from(SHAPES))
def test_layouts_do_not_show(layout: str, datatype: str, shape: tuple[int, ...]) -> None:
    data = sample(datatype, shape)
    laid = LAYOUTS[layout](data)
    assert laid.shape == shape
    assert encodings(datatype, laid) == encodings(datatype, data)


@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BOOL"])
def test_data_of_another_datatype_is_refused_by_name(datatype: str) -> None:
    """A model that gives what it did not declare: the bytes would be read as other numbers."""
    tensor = Tensor("y", datatype, np.zeros(2000, np.int16))
    for encode in (binary.encode, binary.view, tensor_json.encode):
        with pytest.raises(Failed, match=f"output 'y' is declared as {datatype}, but the model returned int16"):
            encode(tensor)


@pytest.mark.parametrize("values", [np.array(["a", "größe"]), np.array([b"a", "größe".encode()]), ["a", "größe"]])
def test_strings_of_any_python_type(values: object) -> None:
    data = values if isinstance(values, np.ndarray) else np.array(values, np.object_)
    assert tensor_json.encode(Tensor("y", "BYTES", data)) == '["a","größe"]'.encode()
    assert binary.encode(Tensor("y", "BYTES", data)) == binary.encode(Tensor("y", "BYTES", data.astype(np.object_)))


@pytest.mark.parametrize("value", [None, 7, "\ud800"])
def test_elements_that_are_no_strings(value: object) -> None:
    data = np.array(["a", value], np.object_)
    for encode in (binary.encode, tensor_json.encode):
        with pytest.raises(Failed, match="output 'y' holds an element that is not a string"):
            encode(Tensor("y", "BYTES", data))


def test_contiguous_data_is_not_copied() -> None:
    data = np.arange(5000, dtype=np.float32)
    assert np.shares_memory(np.frombuffer(binary.view(Tensor("y", "FP32", data)), np.float32), data)
