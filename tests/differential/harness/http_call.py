"""Sends HTTP steps over plain sockets, so that nothing is added, and reads what comes back."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from typing import Any

from harness.case import Http, Raw
from harness.statistics import counted

_TIMEOUT_S = 20.0
_CLOSES_S = 1.0


class _Kept:
    """Gives http.client one buffered reader for all answers of a connection."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> _Kept:
        return self

    def close(self) -> None:
        """The connection is ours to close."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def call_http(address: tuple[str, int], step: Http | Raw) -> Any:
    """Return the answer: status, reason, headers, body; of raw bytes a list, and what became of the connection."""
    end = time.monotonic() + _TIMEOUT_S
    while True:
        answer = _call(address, step)
        if not isinstance(step, Http) or _has_settled(step, answer) or time.monotonic() > end:
            return answer


def _has_settled(step: Http, answer: Any) -> bool:
    if step.counts:
        found = json.loads(answer["body"])["model_stats"][0]
        return counted(found) >= step.counts and found["execution_count"] >= step.counts
    return not (step.settles and b"LOADING" in answer["body"])


def _call(address: tuple[str, int], step: Http | Raw) -> Any:
    with socket.create_connection(address, timeout=_TIMEOUT_S) as connection, connection.makefile("rb") as reader:
        if isinstance(step, Http):
            connection.sendall(_request(step))
            return _answer(reader, step.method)
        connection.settimeout(_CLOSES_S)
        answers = []
        for piece in step.sent:
            connection.sendall(piece)
            answers.append(_answer(reader, step.method))
        answers += [_answer(reader, step.method) for _ in range(step.answers - 1)]
        return [*answers, _ending(reader)]


def _request(step: Http) -> bytes:
    headers = {"Host": "localhost", **step.headers}
    if (step.body or step.method == "POST") and "Transfer-Encoding" not in headers:
        headers.setdefault("Content-Length", str(len(step.body)))
    lines = [f"{step.method} {step.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + step.body


def _answer(reader: io.BufferedReader, method: str) -> Any:
    response = http.client.HTTPResponse(_Kept(reader), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}"
    headers = {name.lower(): value for name, value in response.getheaders()}
    return {"status": response.status, "reason": response.reason, "headers": headers, "body": body}


def _ending(reader: io.BufferedReader) -> str:
    try:
        rest = reader.read(1)
    except TimeoutError:
        return "left open"
    except OSError:
        return "closed"
    return f"more: {rest!r}" if rest else "closed"
