"""Requests with tensors in shared memory, known from before: what comes out is what decoding gives, or nothing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naiad.core.errors import InvalidRequest, NaiadError, NotFound, Unsupported
from naiad.core.message import InferRequest
from naiad.proto.pool import message_class
from naiad.protocol.grpc.infer_request import decode, parse_request
from naiad.protocol.grpc.known_messages import KnownMessages
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.known_bodies import KnownBodies
from naiad.protocol.limits import Limits
from naiad.protocol.recurring import MOST_KEPT

LIMITS = Limits()
FIRST, SECOND = np.arange(8, dtype=np.int16).tobytes(), np.arange(8, 16, dtype=np.int16).tobytes()


class Place(NamedTuple):
    """An OutputMemory."""

    content: bytes
    offset: int
    byte_size: int

    def write(self, data: bytes | memoryview) -> None:
        raise AssertionError(data)  # decoders write nothing


@dataclass
class Memory:
    """A ClientMemory."""

    regions: dict[str, bytes] = field(default_factory=lambda: {"r": FIRST, "s": SECOND})
    is_allowed: bool = True

    def check_allowed(self) -> None:
        if not self.is_allowed:
            raise Unsupported("off")

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:
        place = self.reserve(region, offset, byte_size)
        return memoryview(place.content)[offset : offset + byte_size]

    def reserve(self, region: str, offset: int, byte_size: int) -> Place:
        if region not in self.regions:
            raise NotFound(region)
        if offset + byte_size > len(self.regions[region]):
            raise InvalidRequest(region)
        return Place(self.regions[region], offset, byte_size)


def seen(request: InferRequest) -> dict[str, Any]:
    """Everything about a request, comparable."""
    values = {one.name: getattr(request, one.name) for one in fields(request) if one.name != "inputs"}
    tensors = [(n, t.name, t.datatype, t.data.dtype, t.data.shape, t.data.tobytes()) for n, t in request.inputs.items()]
    return values | {"inputs": tensors}


def message(request_id: str = "", inputs: str = "rs", outputs: str = "rs", **more: Any) -> bytes:
    """Regions by their names of one letter."""
    made = message_class("ModelInferRequest")(model_name="m", id=request_id, **more)
    for number, region in enumerate(inputs):
        entry = made.inputs.add(name=f"x{number}", datatype="INT16", shape=[1, 4])
        point(entry, region, 2 * number)
    for number, region in enumerate(outputs):
        point(made.outputs.add(name=f"y{number}"), region, 0)
    serialized: bytes = made.SerializeToString()
    return serialized


def point(tensor: Any, region: str, offset: int, byte_size: int = 8) -> None:
    tensor.parameters["shared_memory_region"].string_param = region
    tensor.parameters["shared_memory_offset"].int64_param = offset
    tensor.parameters["shared_memory_byte_size"].int64_param = byte_size


def plain(raw: bytes, memory: Memory) -> InferRequest:
    return decode(*parse_request(raw), LIMITS, memory)


def learnt(raw: bytes, memory: Memory) -> KnownMessages:
    known = KnownMessages(LIMITS, memory)
    for _ in range(2):
        assert known.recall(raw) is None
        known.learn(raw, plain(raw, memory))
    return known


@pytest.mark.parametrize("outputs", ["", "r", "rs"])
def test_any_id_is_known(outputs: str) -> None:
    memory = Memory()
    known = learnt(message("first", outputs=outputs), memory)
    for request_id in ("", "7", "größer", "i" * 100):
        raw = message(request_id, outputs=outputs)
        recalled = known.recall(raw)
        assert recalled is not None
        assert seen(recalled) == seen(plain(raw, memory))
        assert (recalled.id, recalled.output_memory is None) == (request_id, not outputs)


@pytest.mark.parametrize(
    ("request_id", "what"), [("i" * 128, "a length of two bytes"), ("i" * 2000, "longer than an id may be")]
)
def test_long_ids_are_left_to_the_decoder(request_id: str, what: str) -> None:
    assert learnt(message(), Memory()).recall(message(request_id)) is None, what


def test_an_id_that_is_no_text_is_left_to_the_decoder() -> None:
    assert learnt(message(), Memory()).recall(message("ab").replace(b"ab", b"\xff\xfe")) is None


def test_a_message_with_two_ids_is_not_learnt() -> None:
    """The last one counts, and the first is what would be read."""
    memory = Memory()
    raw = message("a") + b"\x1a\x01b"
    known = learnt(raw, memory)
    assert plain(raw, memory).id == "b"
    assert known.recall(raw) is None


def test_a_region_that_was_replaced_is_seen_at_once() -> None:
    memory = Memory()
    raw = message(inputs="r", outputs="r")
    known = learnt(raw, memory)
    memory.regions["r"] = SECOND
    recalled = known.recall(raw)
    assert recalled is not None
    assert recalled.inputs["x0"].data.tolist() == [[8, 9, 10, 11]]
    assert recalled.output_memory == {"y0": Place(SECOND, 0, 8)}


@pytest.mark.parametrize("change", [{"regions": {}}, {"regions": {"r": bytes(4)}}, {"is_allowed": False}])
def test_what_cannot_be_had_is_left_to_the_decoder(change: dict[str, Any]) -> None:
    memory = Memory()
    raw = message(inputs="r", outputs="r")
    known = learnt(raw, memory)
    vars(memory).update(change)
    if memory.is_allowed:
        assert known.recall(raw) is None
    with pytest.raises(NaiadError):
        plain(raw, memory)


def test_requests_of_one_form_share_nothing_that_can_be_changed() -> None:
    made = message_class("ModelInferRequest").FromString(message())
    made.parameters["colour"].string_param = "red"
    raw, memory = made.SerializeToString(), Memory()
    known = learnt(raw, memory)
    one = known.recall(raw)
    assert one is not None
    one.parameters["colour"] = "blue"
    one.inputs.clear()
    assert one.output_memory is not None
    one.output_memory.clear()
    assert seen(known.recall(raw) or one) == seen(plain(raw, memory))


def test_wordings_share_their_outputs() -> None:
    """Requests that do are joined faster."""
    memory = Memory()
    known = KnownMessages(LIMITS, memory)
    wordings = [message(), message(model_version="1"), message(inputs="sr")]
    found = []
    for raw in wordings:
        for _ in range(2):
            known.learn(raw, plain(raw, memory))
        recalled = known.recall(raw)
        assert recalled is not None
        found.append(recalled.outputs)
    assert found[0] is found[1] is found[2]


def test_what_is_not_all_in_memory_is_not_learnt() -> None:
    mixed = message_class("ModelInferRequest").FromString(message())
    mixed.inputs.add(name="z", datatype="INT16", shape=[1])
    mixed.raw_input_contents.append(b"ab")
    typed = message_class("ModelInferRequest").FromString(message())
    typed.inputs.add(name="z", datatype="INT16", shape=[1]).contents.int_contents.append(3)
    sequence = message_class("ModelInferRequest").FromString(message())
    sequence.parameters["sequence_id"].int64_param = 5
    stored = message_class("ModelInferRequest").FromString(message(inputs=""))
    stored.inputs.add(name="z", datatype="INT16", shape=[1])
    stored.raw_input_contents.append(b"ab")
    strings = message_class("ModelInferRequest")(model_name="m")
    point(strings.inputs.add(name="x", datatype="BYTES", shape=[1]), "t", 0, 5)
    memory = Memory({"r": FIRST, "s": SECOND, "t": b"\1\0\0\0a"})
    for made in (mixed, typed, sequence, stored, strings):
        raw = made.SerializeToString()
        assert learnt(raw, memory).recall(raw) is None


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory()
    known = KnownMessages(LIMITS, memory)
    for number in range(1500):
        raw = message(model_version=str(number), inputs="r", outputs="")
        for _ in range(1 + number % 2):
            known.learn(raw, plain(raw, memory))
    assert 0 < len(known._in_memory) <= MOST_KEPT
    assert len(known._in_memory.seen) <= MOST_KEPT
    last = message(model_version="1499", inputs="r", outputs="")
    assert known.recall(last) is not None  # it is emptied when full, not closed


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    made = message_class("ModelInferRequest")(
        model_name=draw(st.text(max_size=4)), model_version=draw(st.sampled_from(["", "1"])),
        id=draw(st.text(max_size=4)),
    )  # fmt: skip
    for key in draw(st.lists(st.sampled_from(["a", "priority", "timeout"]), unique=True)):
        made.parameters[key].int64_param = draw(st.integers(0, 9))
    for number in range(draw(st.integers(0, 3))):
        count = draw(st.integers(0, 4))
        entry = made.inputs.add(name=f"x{number}", datatype=draw(st.sampled_from(["INT16", "FP16"])), shape=[count])
        point(entry, draw(st.sampled_from("rs")), draw(st.integers(0, 8)), 2 * count)
    for number in range(draw(st.integers(0, 2))):
        point(made.outputs.add(name=f"y{number}"), draw(st.sampled_from("rs")), draw(st.integers(0, 16)), 0)
    serialized: bytes = made.SerializeToString()
    return serialized


def outcome(raw: bytes, memory: Memory) -> Any:
    try:
        return seen(plain(raw, memory))
    except NaiadError as error:
        return type(error), error.message


@settings(max_examples=300, deadline=None)
@given(first=messages(), cut=st.integers(0, 10_000), inserted=st.binary(max_size=4), gone=st.integers(0, 3))
def test_memory_never_disagrees_with_the_decoder(first: bytes, cut: int, inserted: bytes, gone: int) -> None:
    """A message is learnt; then one with bytes exchanged, or more or fewer of them, is asked for."""
    memory = Memory()
    if not isinstance(outcome(first, memory), dict):
        return
    known = KnownMessages(LIMITS, memory)
    for _ in range(2):
        known.learn(first, plain(first, memory))
    at = cut % (len(first) + 1)
    for regions, other in itertools.product(
        ({"r": FIRST, "s": SECOND}, {"r": SECOND}), (first, first[:at] + inserted + first[at + gone :])
    ):
        memory.regions = regions
        recalled = known.recall(other)
        if recalled is not None:
            assert seen(recalled) == outcome(other, memory)


def body(**more: Any) -> bytes:
    where = {"shared_memory_region": "r", "shared_memory_offset": 2, "shared_memory_byte_size": 8}
    inputs = [{"name": "x", "datatype": "INT16", "shape": [4], "parameters": where}]
    return orjson.dumps({"inputs": inputs, "outputs": [{"name": "y", "parameters": where}]} | more)


@pytest.mark.parametrize("more", [{}, {"id": "seven", "parameters": {"binary_data_output": True, "colour": "red"}}])
def test_a_body_that_is_all_json_is_known(more: dict[str, Any]) -> None:
    memory, raw = Memory(), body(**more)
    known = KnownBodies(LIMITS, memory)
    assert known.may_know(raw)
    for _ in range(2):
        assert known.recall("m", "", raw, len(raw)) is None
        known.learn(*infer_json.decode("m", "", raw, None, LIMITS, memory), raw, len(raw))
    for regions in ({"r": FIRST}, {"r": SECOND}):
        memory.regions = regions
        recalled = known.recall("m", "", raw, len(raw))
        assert recalled is not None
        expected = infer_json.decode("m", "", raw, None, LIMITS, memory)
        assert (seen(recalled[0]), recalled[1]) == (seen(expected[0]), expected[1])
    memory.regions = {}
    assert known.recall("m", "", raw, len(raw)) is None
    assert known.recall("m", "1", raw, len(raw)) is None


def test_other_bodies_are_not_looked_up() -> None:
    known = KnownBodies(LIMITS, Memory())
    assert not known.may_know(b'{"inputs":[]}')
    assert not known.may_know(body(id="i" * 5000))
