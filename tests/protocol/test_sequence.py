"""The sequence parameters over every codec: what is taken, and what is refused in whose words.

All words and statuses were compared with the real server (2.51).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from naiad.core.errors import InvalidRequest, MalformedBody, NaiadError, Unsupported
from naiad.core.message import InferRequest, SequenceStep
from naiad.proto.pool import message_class
from naiad.protocol.grpc import infer_request
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.limits import Limits

LIMITS = Limits()
TOO_LONG = "string correlation ID cannot be longer than 128 characters"


def over_http(parameters: dict[str, Any]) -> InferRequest:
    raw = json.dumps({"inputs": [], "parameters": parameters}).encode()
    return infer_json.decode("m", "", raw, None, LIMITS)[0]


def over_grpc(kinds: dict[str, dict[str, Any]]) -> InferRequest:
    return infer_request.decode(message_class("ModelInferRequest")(parameters=kinds), (), LIMITS)


def test_a_request_without_them_has_no_sequence() -> None:
    assert over_http({"priority": 1}).sequence is None
    assert over_grpc({"priority": {"int64_param": 1}}).sequence is None


@pytest.mark.parametrize("identity", [0, 7, 2**64 - 1, "", "seven", "ü" * 64])
def test_json(identity: int | str) -> None:
    request = over_http({"sequence_id": identity, "sequence_start": True, "sequence_end": False, "mine": 1})
    assert request.sequence == SequenceStep(identity, is_first=True)
    assert request.parameters == {"mine": 1}
    assert over_http({"sequence_end": True}).sequence == SequenceStep(is_last=True)


@pytest.mark.parametrize(
    ("kind", "sent", "identity"),
    [("int64_param", 7, 7), ("int64_param", -5, 2**64 - 5), ("string_param", "seven", "seven"), ("int64_param", 0, 0)],
)
def test_grpc(kind: str, sent: int | str, identity: int | str) -> None:
    request = over_grpc({"sequence_id": {kind: sent}, "sequence_end": {"bool_param": True}, "x": {"bool_param": True}})
    assert request.sequence == SequenceStep(identity, is_last=True)
    assert request.parameters == {"x": True}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        *[
            ({"sequence_id": wrong}, MalformedBody, "'sequence_id': attempt to access JSON non-string as string")
            for wrong in (-1, 2**64, 1.5, True, None, [1])
        ],
        *[
            ({key: wrong}, MalformedBody, f"Unable to parse '{key}': attempt to access JSON non-boolean as boolean")
            for key in ("sequence_start", "sequence_end")
            for wrong in (1, "true", None)
        ],
        ({"sequence_id": "x" * 129}, Unsupported, TOO_LONG),
        ({"sequence_id": "ü" * 65}, Unsupported, TOO_LONG),
    ],
)
def test_what_json_refuses(parameters: dict[str, Any], error: type[NaiadError], message: str) -> None:
    with pytest.raises(error, match=message):
        over_http(parameters)


@pytest.mark.parametrize(
    ("key", "kind", "value", "error", "message"),
    [
        ("sequence_id", "uint64_param", 5, InvalidRequest, "'sequence_id' parameter, expected int64_param or string"),
        ("sequence_id", "bool_param", True, InvalidRequest, "'sequence_id' parameter, expected int64_param or string"),
        ("sequence_start", "int64_param", 1, InvalidRequest, "'sequence_start' parameter, expected bool_param"),
        ("sequence_end", "string_param", "1", InvalidRequest, "'sequence_end' parameter, expected bool_param"),
        ("sequence_id", "string_param", "x" * 129, Unsupported, TOO_LONG),
    ],
)
def test_what_grpc_refuses(key: str, kind: str, value: Any, error: type[NaiadError], message: str) -> None:
    with pytest.raises(error, match=message):
        over_grpc({key: {kind: value}})


def test_whole_numbers_past_int64_are_fractions() -> None:
    assert over_http({"mine": 2**63, "less": 2**63 - 1}).parameters == {"mine": float(2**63), "less": 2**63 - 1}
