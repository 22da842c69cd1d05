"""Makes two answers comparable: what must differ between two servers and two runs is taken out, nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

_TRACEBACK = re.compile(r"\n\nAt:\n(?:  .+\n)+")

_OTHERS = {"ns", "last_inference", "platform", "backend", "default_model_filename"}
"""Keys of JSON objects whose values are a time, or say which backend computes."""


def expected(theirs: Any, used: set[str]) -> Any:
    """Return Triton's neutral answer as ours should be: changed where every answer of a kind differs.

    used: takes the names of the rules (`cases.listed.RULES`) that have changed something.
    """
    if isinstance(theirs, list):
        return [expected(one, used) for one in theirs]
    if isinstance(theirs, dict) and "error_message" in theirs:
        return {**theirs, "error_message": _without_traceback(theirs["error_message"], used)}
    if not isinstance(theirs, dict) or "body" not in theirs:
        return theirs
    if isinstance(theirs["body"], str) and "At:" in theirs["body"]:
        shown = json.loads(theirs["body"])
        if "error" in shown:
            shown["error"] = _without_traceback(shown["error"], used)
            theirs = {**theirs, "body": json.dumps(shown, ensure_ascii=False)}
    headers, reason = dict(theirs["headers"]), theirs["reason"]
    if theirs["status"] >= 400 and headers.get("content-type") == "text/plain":
        used.add("json errors")
        headers["content-type"] = "application/json"
    if theirs["status"] == 405:
        used.add("405")
        headers["allow"], reason = "…", "Method Not Allowed"
    if theirs["status"] == 503:
        used.add("503")
        headers["retry-after"] = "1"
    if headers.get("transfer-encoding") == "chunked" and headers.get("content-type") == "application/json":
        used.add("generate")
        del headers["transfer-encoding"]
        headers["content-length"] = "that of the body"
    return {**theirs, "headers": headers, "reason": reason}


def _without_traceback(message: str, used: set[str]) -> str:
    plain = _TRACEBACK.sub("", message)
    if plain != message:
        used.add("traceback")
    return plain


def neutral(answer: Any) -> Any:
    """Return an answer without times, backends and the server's version; JSON bodies as values."""
    if isinstance(answer, list):
        return [neutral(one) for one in answer]
    if isinstance(answer, dict) and "body" in answer:
        return _neutral_http(answer)
    return _without(answer, leaves="")


def _neutral_http(answer: dict[str, Any]) -> dict[str, Any]:
    headers = dict(answer["headers"])
    if headers.get("content-length") == str(len(answer["body"])):
        headers["content-length"] = "that of the body"
    if "allow" in headers:
        headers["allow"] = "…"
    body: bytes = _inflate(answer["body"]) if headers.get("content-encoding") else answer["body"]
    length = headers.get("inference-header-content-length")
    size = int(length) if length is not None else len(body)
    try:
        # Written again, so that 1 and 1.0 and the order of keys tell, and the notation of a number does not.
        document = json.dumps(_without(json.loads(body[:size])), ensure_ascii=False)
    except ValueError:
        return {**answer, "headers": headers, "body": body}
    if length is not None and size <= len(body):
        headers["inference-header-content-length"] = "that of the JSON"
    return {**answer, "headers": headers, "body": document, "tail": body[size:]}


def _inflate(body: bytes) -> bytes:
    import zlib

    try:
        return zlib.decompressobj(47).decompress(body)
    except zlib.error:
        return body


def _without(value: Any, leaves: str = "…") -> Any:
    """leaves: what stands for what is taken out; over gRPC nothing, because a default is not sent."""
    if isinstance(value, list):
        return [_without(one, leaves) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {key: leaves if key in _OTHERS else _without(one, leaves) for key, one in value.items()}
    plain = {key: one for key, one in plain.items() if key not in _OTHERS or one}
    if "extensions" in plain:
        plain["version"] = "…"
    return plain
