"""Messages like one before: what comes out of memory is what decoding gives, or nothing comes out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest
from naiad.proto.pool import message_class
from naiad.protocol.grpc.infer_request import decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.limits import Limits
from naiad.protocol.recurring import MOST_KEPT

LIMITS = Limits()
SIZES = {"INT32": 4, "FP32": 4, "UINT8": 1, "FP64": 8, "BOOL": 1, "FP16": 2, "BF16": 2}


def plain(message: bytes) -> InferRequest:
    return decode(*parse_request(message), LIMITS)


def seen(request: InferRequest) -> dict[str, Any]:
    """Everything about a request, comparable."""
    values = {field.name: getattr(request, field.name) for field in fields(request) if field.name != "inputs"}
    tensors = [(n, t.name, t.datatype, t.data.dtype, t.data.shape, t.data.tobytes()) for n, t in request.inputs.items()]
    return values | {"inputs": tensors}


def message(
    request_id: str = "", data: bytes = b"\1\2\3\4" * 16, *, name: str = "simple", inputs: int = 2, **more: Any
) -> bytes:
    made = message_class("ModelInferRequest")(model_name=name, id=request_id, **more)
    for number in range(inputs):
        made.inputs.add(name=f"INPUT{number}", datatype="INT32", shape=[1, len(data) // 4])
        made.raw_input_contents.append(data)
    serialized: bytes = made.SerializeToString()
    return serialized


def learnt(first: bytes) -> KnownMessages:
    known = KnownMessages(LIMITS)
    for _ in range(2):  # what comes only once is not worth keeping
        known.learn(first, plain(first))
    return known


@pytest.mark.parametrize("request_id", ["", "7", "größer"])
@pytest.mark.parametrize("size", [16, 40_000])
def test_other_data_and_another_id_of_the_same_length_are_known(request_id: str, size: int) -> None:
    known = learnt(message(request_id, bytes(size)))
    other = message(request_id[::-1], b"\7\6\5\4" * (size // 4))
    recalled = known.recall(other)
    assert recalled is not None
    assert seen(recalled) == seen(plain(other))


def test_requests_of_one_form_share_nothing_that_can_be_changed() -> None:
    first = message()
    made = message_class("ModelInferRequest").FromString(first)
    made.parameters["colour"].string_param = "red"
    raw = made.SerializeToString()
    known = learnt(raw)
    one, two = known.recall(raw), known.recall(raw)
    assert one is not None
    assert two is not None
    one.parameters["colour"] = "blue"
    one.inputs.clear()
    assert seen(two) == seen(plain(raw))
    assert seen(known.recall(raw) or one) == seen(plain(raw))


@pytest.mark.parametrize(
    "other",
    [
        message(name="simply"),
        message(model_version="1"),
        message("1"),
        message(data=b"\0" * 68),
        message(inputs=1),
        message().replace(b"INPUT0", b"INPUTX"),
        message().replace(b"INT32", b"FP32x"),
        b"",
        b"\x0a",
    ],
)
def test_anything_else_is_not_known(other: bytes) -> None:
    assert learnt(message()).recall(other) is None


def test_an_id_that_is_no_text_is_left_to_the_decoder() -> None:
    raw = message("ab")
    assert learnt(raw).recall(raw.replace(b"ab", b"\xff\xfe")) is None


def test_what_is_not_all_in_the_message_is_not_learnt() -> None:
    """Typed contents, strings, sequences: they are decoded each time."""
    typed = message_class("ModelInferRequest")(model_name="m")
    typed.inputs.add(name="x", datatype="INT32", shape=[1]).contents.int_contents.append(3)
    strings = message_class("ModelInferRequest")(model_name="m", raw_input_contents=[b"\1\0\0\0a"])
    strings.inputs.add(name="x", datatype="BYTES", shape=[1])
    sequence = message_class("ModelInferRequest").FromString(message())
    sequence.parameters["sequence_id"].int64_param = 5
    for made in (typed, strings, sequence):
        raw = made.SerializeToString()
        assert learnt(raw).recall(raw) is None


def test_alternating_requests_are_soon_only_compared() -> None:
    known = KnownMessages(LIMITS)
    first, second = message(model_version="1"), message(model_version="2")
    for _ in range(20):
        for raw in (first, second):
            if known.recall(raw) is None:
                known.learn(raw, plain(raw))
    assert [known.recall(raw) is None for raw in (first, second)].count(True) == 1


def test_memory_is_bounded() -> None:
    known = KnownMessages(LIMITS)
    for number in range(2000):
        raw = message(name=f"model{number}")
        for _ in range(1 + number % 2):
            known.learn(raw, plain(raw))
    assert 0 < len(known._known) <= MOST_KEPT
    assert len(known._known.seen) <= MOST_KEPT
    assert known.recall(raw) is not None  # it is emptied when full, not closed


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    made = message_class("ModelInferRequest")(
        model_name=draw(st.text(max_size=6)), model_version=draw(st.sampled_from(["", "1"])),
        id=draw(st.text(max_size=4)),
    )  # fmt: skip
    for key in draw(st.lists(st.sampled_from(["a", "priority", "timeout"]), unique=True)):
        made.parameters[key].int64_param = draw(st.integers(0, 9))
    for number in range(draw(st.integers(0, 3))):
        datatype = draw(st.sampled_from(sorted(SIZES)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        made.inputs.add(name=f"x{number}", datatype=datatype, shape=shape)
        size = SIZES[datatype]
        for length in shape:
            size *= length
        made.raw_input_contents.append(draw(st.binary(min_size=size, max_size=size)))
    for number in range(draw(st.integers(0, 2))):
        made.outputs.add(name=f"y{number}")
    serialized: bytes = made.SerializeToString()
    return serialized


@settings(max_examples=300, deadline=None)
@given(first=messages(), at=st.integers(0, 10_000), byte=st.integers(0, 255), more=st.binary(max_size=2))
def test_memory_never_disagrees_with_the_decoder(first: bytes, at: int, byte: int, more: bytes) -> None:
    """A message is learnt; then one with a byte exchanged, or more at its end, is asked for."""
    try:
        known = learnt(first)
    except NaiadError:
        return
    changed = bytearray(first + more)
    if changed:
        changed[at % len(changed)] = byte
    for other in (first, bytes(changed)):
        recalled = known.recall(other)
        if recalled is not None:
            assert seen(recalled) == seen(plain(other))
