"""Keys: equal for requests whose answers are equal, different as soon as anything differs that an answer depends on."""

from __future__ import annotations

import secrets
from copy import deepcopy
from multiprocessing.shared_memory import SharedMemory as Block
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from naiad.core.errors import Failed
from naiad.core.message import InferRequest, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.serving.caching.key import Keys, size_of
from naiad.serving.shared_memory.registry import SharedMemory

KEYS = Keys("m", "1", 1)
NAMES = st.text("ab", min_size=1, max_size=2)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def tensors(draw: st.DrawFn, name: str) -> Tensor:
    datatype = draw(st.sampled_from(("INT8", "UINT8", "INT32", "BYTES")))
    shape = draw(SHAPES)
    count = int(np.prod(shape, dtype=int))
    if datatype == "BYTES":
        return bytes_tensor(name, draw(st.lists(st.binary(max_size=2), min_size=count, max_size=count)), shape)
    dtype = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32}[datatype]
    values = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return Tensor(name, datatype, np.array(values, dtype).reshape(shape))


@st.composite
def requests(draw: st.DrawFn) -> InferRequest:
    """Small ones, so that two of them are often nearly equal."""
    inputs = {name: draw(tensors(name)) for name in draw(st.lists(NAMES, max_size=2, unique=True))}
    outputs = tuple(map(RequestedOutput, draw(st.lists(NAMES, max_size=2))))
    values = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from((0.0, 1.0)), NAMES, st.just("1"))
    return InferRequest("m", "", inputs=inputs, outputs=outputs, parameters=draw(st.dictionaries(NAMES, values)))


def facts(request: InferRequest) -> Any:
    """Everything that an answer depends on, as a value to compare."""
    return (
        {
            name: (tensor.datatype, tensor.shape, [repr(value) for value in tensor.data.ravel().tolist()])
            for name, tensor in request.inputs.items()
        },
        [output.name for output in request.outputs],
        {name: repr(value) for name, value in request.parameters.items()},
    )


@given(requests(), requests())
def test_keys_are_equal_exactly_where_requests_are(one: InferRequest, other: InferRequest) -> None:
    assert (KEYS.of(one) == KEYS.of(other)) == (facts(one) == facts(other))


@given(requests(), st.data())
def test_any_one_byte_changes_the_key(request: InferRequest, data: st.DataObject) -> None:
    numbers = [tensor for tensor in request.inputs.values() if tensor.datatype != "BYTES" and tensor.data.size]
    assume(numbers)
    before = KEYS.of(request)
    changed = deepcopy(request)
    tensor = changed.inputs[data.draw(st.sampled_from(numbers)).name]
    raw = bytearray(tensor.data.tobytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    tensor.data = np.frombuffer(raw, tensor.data.dtype).reshape(tensor.shape)
    assert KEYS.of(changed) != before


def test_what_follows_the_answer_does_not_change_the_key() -> None:
    plain = InferRequest("m", inputs={"x": Tensor("x", "INT8", np.zeros(2, np.int8))}, outputs=(RequestedOutput("y"),))
    other = deepcopy(plain)
    other.id, other.priority, other.timeout_us, other.arrived_s = "a", 1, 5, 2.0
    other.outputs = (RequestedOutput("y", binary=True, class_count=3),)
    assert KEYS.of(other) == KEYS.of(plain)


def test_order_of_inputs_does_not_matter_and_that_of_outputs_does() -> None:
    x, y = (Tensor(name, "INT8", np.zeros(1, np.int8)) for name in "xy")
    outputs = RequestedOutput("a"), RequestedOutput("b")
    assert KEYS.of(InferRequest("m", inputs={"x": x, "y": y})) == KEYS.of(InferRequest("m", inputs={"y": y, "x": x}))
    assert KEYS.of(InferRequest("m", outputs=outputs)) != KEYS.of(InferRequest("m", outputs=outputs[::-1]))


@pytest.mark.parametrize("other", [("n", "1", 1), ("m", "2", 1), ("m", "1", 2), ("m1", "", 1)])
def test_every_copy_of_a_model_has_keys_of_its_own(other: tuple[str, str, int]) -> None:
    assert Keys(*other).of(InferRequest("m")) != KEYS.of(InferRequest("m"))


def test_layout_in_memory_does_not_matter() -> None:
    rows = np.arange(4096, dtype=np.int32).reshape(64, 64)
    wide = np.zeros((64, 128), np.int32)
    wide[:, ::2] = rows
    layouts = [rows, np.asfortranarray(rows), wide[:, ::2], rows[::-1][::-1], rows.astype(">i4")]
    for step in (1, 16):
        keys = {KEYS.of(InferRequest("m", inputs={"x": Tensor("x", "INT32", one[::step])})) for one in layouts}
        assert len(keys) == 1
    assert KEYS.of(InferRequest("m", inputs={"x": Tensor("x", "INT32", rows.T)})) not in keys


def test_numbers_that_are_equal_but_not_the_same_have_other_keys() -> None:
    found = {
        KEYS.of(InferRequest("m", inputs={"x": Tensor("x", "FP32", np.array([value], np.float32))}))
        for value in (0.0, -0.0)
    }
    assert len(found) == 2


def test_borders_between_strings_matter() -> None:
    one, other = (InferRequest("m", inputs={"x": bytes_tensor("x", values)}) for values in ([b"ab", b""], [b"a", b"b"]))
    assert KEYS.of(one) != KEYS.of(other)


def test_inputs_that_are_not_of_their_datatype_have_no_key() -> None:
    with pytest.raises(Failed, match="declared as INT8"):
        KEYS.of(InferRequest("m", inputs={"x": Tensor("x", "INT8", np.zeros(1, np.float32))}))


def test_inputs_in_a_clients_memory_are_copied_before_they_are_hashed() -> None:
    """Else the client could change them between the hash and the run, and others would get the answer."""
    block = Block(f"naiad-{secrets.token_hex(8)}", create=True, size=8192)
    memory = SharedMemory(is_allowed=True)
    try:
        memory.register("r", f"/{block.name}", 0, 8192)
        raw = memory.read("r", 0, 8192)
        request = InferRequest("m", inputs={"x": Tensor("x", "UINT8", np.ndarray((8192,), np.uint8, raw))})
        before = KEYS.of(request)
        block.buf[0] = 1
        assert request.inputs["x"].data[0] == 0
        assert KEYS.of(request) == before
        del raw
    finally:
        memory.close()
        block.close()
        block.unlink()


def test_what_is_ours_already_is_not_copied() -> None:
    raw = bytes(8192)
    for data in (
        np.zeros(8192, np.uint8),
        np.ndarray((8192,), np.uint8, raw),
        np.ndarray((99,), np.uint8, memoryview(raw)[5:]),
    ):
        request = InferRequest("m", inputs={"x": Tensor("x", "UINT8", data)})
        KEYS.of(request)
        assert request.inputs["x"].data is data


def test_the_size_of_a_request_is_known_without_looking_at_many_strings() -> None:
    def size(tensor: Tensor) -> int:
        return size_of(InferRequest("m", inputs={"x": tensor}))

    assert size(Tensor("x", "FP32", np.zeros((2, 5), np.float32))) == 40
    assert size(bytes_tensor("x", [b"abc", b"d"])) == 4
    assert size(bytes_tensor("x", [b""] * 2000)) >= 2**63
    assert size(Tensor("x", "BYTES", np.array([1], object))) >= 2**63
