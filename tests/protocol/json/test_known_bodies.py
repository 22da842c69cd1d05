"""Bodies with a JSON part that came before: what comes out of memory is what decoding gives, or nothing comes out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from naiad.core.message import InferRequest
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.known_bodies import KnownBodies
from naiad.protocol.limits import Limits

LIMITS = Limits()


def body(data: bytes = bytes(64), **more: Any) -> tuple[bytes, int]:
    """A body with two binary inputs, and the length of its JSON part."""
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [1, len(data) // 4],
         "parameters": {"binary_data_size": len(data)}} for name in ("a", "b")
    ]  # fmt: skip
    header = orjson.dumps({"inputs": inputs} | more)
    return header + data + data[::-1], len(header)


def plain(raw: bytes, length: int, model: str = "m") -> tuple[InferRequest, bool]:
    return infer_json.decode(model, "", raw, length, LIMITS)


def seen(request: InferRequest) -> list[Any]:
    tensors = [(t.name, t.datatype, t.data.dtype, t.data.shape, t.data.tobytes()) for t in request.inputs.values()]
    parameters = (request.parameters, request.priority, request.timeout_us)
    return [request.model_name, request.id, request.outputs, parameters, tensors]


def learnt(raw: bytes, length: int) -> KnownBodies:
    known = KnownBodies()
    for _ in range(2):
        assert known.recall("m", "", raw, length) is None
        known.learn(*plain(raw, length), raw, length)
    return known


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"id": "seven"},
        {"parameters": {"binary_data_output": True, "priority": 2, "colour": "red"}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": True, "classification": 3}}]},
    ],
)
@pytest.mark.parametrize("size", [64, 40_000])
def test_other_data_behind_the_same_json_is_known(more: dict[str, Any], size: int) -> None:
    raw, length = body(bytes(size), **more)
    known = learnt(raw, length)
    other, _ = body(b"\1\2\3\4" * (size // 4), **more)
    recalled = known.recall("m", "", other, length)
    assert recalled is not None
    request, binary_default = recalled
    expected, expected_default = plain(other, length)
    assert (seen(request), binary_default) == (seen(expected), expected_default)


def test_what_differs_is_not_known() -> None:
    raw, length = body()
    known = learnt(raw, length)
    assert known.recall("other", "", raw, length) is None
    assert known.recall("m", "1", raw, length) is None
    assert known.recall("m", "", raw + b"x", length) is None
    assert known.recall("m", "", raw, length - 1) is None
    assert known.recall("m", "", raw.replace(b'"a"', b'"c"'), length) is None


def test_ids_that_never_come_again_are_not_learnt() -> None:
    known = KnownBodies()
    for number in range(2000):
        raw, length = body(id=str(number))
        known.learn(*plain(raw, length), raw, length)
    assert not known._known
    assert len(known._known.seen) <= 512


@pytest.mark.parametrize(
    "inputs",
    [
        [{"name": "a", "datatype": "FP32", "shape": [1], "data": [1.0]}],
        [{"name": "a", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}}],
    ],
)
def test_json_data_and_strings_are_decoded_each_time(inputs: list[dict[str, Any]]) -> None:
    header = orjson.dumps({"inputs": inputs})
    raw = header + (b"\1\0\0\0a" if inputs[0]["datatype"] == "BYTES" else b"")
    learnt(raw, len(header))
    known = KnownBodies()
    for _ in range(3):
        known.learn(*plain(raw, len(header)), raw, len(header))
        assert known.recall("m", "", raw, len(header)) is None
