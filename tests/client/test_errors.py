from __future__ import annotations

import orjson
import pytest

from naiad.client.errors import BY_CODE, from_answer
from naiad.core import errors
from naiad.protocol.status import TABLE

AT = "http://localhost:8000"


@pytest.mark.parametrize("cls", TABLE)
def test_a_code_in_the_body_gives_exactly_the_class(cls: type[errors.NaiadError]) -> None:
    status = TABLE[cls][0]
    error = from_answer(status, orjson.dumps({"error": "what and why", "code": cls.code}), AT)
    assert (type(error), error.message) == (cls, "what and why")
    assert error.detail == {"http_status": status, "address": AT}


def test_codes_are_unique() -> None:
    assert len(BY_CODE) == len(TABLE)


@pytest.mark.parametrize("cls", TABLE)
def test_without_a_code_the_status_still_says_what_kind(cls: type[errors.NaiadError]) -> None:
    """Whatever class is guessed, the server's table sends it with the same status."""
    status = TABLE[cls][0]
    guessed = from_answer(status, b'{"error":"what and why"}', AT)
    assert TABLE[type(guessed)][0] == status


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (404, "Request for unknown model: 'nope' is not found", errors.NotFound),
        (400, "Request for unknown model: 'nope' is not found", errors.NotFound),
        (400, "requested model 'nope' is not available", errors.NotFound),
        (400, "Model version not ready", errors.NotReady),
        (400, "load failed for model 'x': version 1 is at UNAVAILABLE state: …", errors.LoadFailed),
        (500, "failed to load 'x', failed to poll from model repository", errors.LoadFailed),
        (503, "Request for unknown model: 'x' version 1 is not at ready state", errors.NotReady),
        (503, "Exceeds maximum queue size", errors.Overloaded),
        (503, "Request timeout expired", errors.DeadlineExceeded),
        (400, "[request id: <id_unknown>] unexpected shape for input 'x' for model 'm'", errors.InvalidRequest),
        (500, "Unable to parse 'data': Shape does not match true shape of 'data' field", errors.MalformedBody),
        (500, "failed to parse the request JSON buffer: Missing a name", errors.MalformedBody),
        (500, "onnx runtime error 2: not enough memory", errors.Failed),
        (501, "HTTP end point doesn't support models with decoupled transaction policy", errors.Unsupported),
        (403, "This API is restricted, expecting header 'triton-access-token'", errors.InvalidRequest),
        (405, "Method Not Allowed", errors.Unsupported),
        (429, "slow down", errors.Overloaded),
        (502, "bad gateway", errors.NotReady),
        (504, "gateway timeout", errors.DeadlineExceeded),
        (302, "moved", errors.Failed),
    ],
)
def test_words_of_triton(status: int, message: str, expected: type) -> None:
    error = from_answer(status, orjson.dumps({"error": message}), AT)
    assert (type(error), str(error)) == (expected, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", f"the server at {AT} answered with HTTP status 500 and no explanation"),
        (b"<h1>Oops</h1>", "<h1>Oops</h1>"),
        (b"\xff", "�"),
        (b"[1]", "[1]"),
        (b'{"message":"x"}', f"the server at {AT} answered with HTTP status 500 and no explanation"),
    ],
)
def test_bodies_of_another_form(body: bytes, message: str) -> None:
    assert from_answer(500, body, AT).message == message
