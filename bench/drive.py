"""Starts the load generator against a port and reads its figures; builds the bytes of a request.

`measure_load` is what every section of the benchmark calls; `load.py` is the other end.
"""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LOAD = Path(__file__).with_name("load.py")
BURSTS = Path(__file__).with_name("bursts.py")


@dataclass(frozen=True)
class Figures:
    """What one run of the load generator measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    mean_ms: float
    answers: int
    bodies: dict[int, bytes]
    """Answers to the first few requests, by index, for checking."""


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """The bytes of an HTTP/1.1 POST with a JSON body on a connection that is kept alive."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure_load(
    port: int, requests: list[bytes], concurrency: int, seconds: float, count: int = 0, apart_s: float = 0.0
) -> Figures:
    """Ask for the requests in order, again and again, until `count` (0: no limit) or `seconds` is reached.

    apart_s: how long after each other the clients begin. Raises RuntimeError with the generator's words when an answer
    is not a 200 or does not come.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, measured = Path(folder) / "requests", Path(folder) / "figures"
        asked.write_bytes(pickle.dumps(requests))
        argv = [sys.executable, str(LOAD), str(asked), str(measured), "--port", str(port)]
        argv += ["--concurrency", str(concurrency), "--seconds", str(seconds), "--count", str(count)]
        argv += ["--apart", str(apart_s)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"load generator: {done.stderr.strip()[-800:]}")
        figures = json.loads(measured.read_text())
    bodies = {int(index): base64.b64decode(body) for index, body in figures.pop("bodies").items()}
    return Figures(bodies=bodies, **figures)


@dataclass(frozen=True)
class Burst:
    """One request of an open loop."""

    sent_s: float
    """When it should be sent, and was, from the beginning on."""
    took_s: float
    """Until its answer, counted from then."""


def measure_bursts(port: int, request: bytes, size: int, period_s: float, seconds: float) -> list[Burst]:
    """Send `size` requests every `period_s`, whatever becomes of the others; give up ten seconds after the last.

    What has not been answered by then counts as answered then. Raises RuntimeError with the generator's words.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, measured = Path(folder) / "request", Path(folder) / "figures"
        asked.write_bytes(request)
        argv = [sys.executable, str(BURSTS), str(asked), str(measured), "--port", str(port), "--size", str(size)]
        argv += ["--period", str(period_s), "--seconds", str(seconds)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"load generator: {done.stderr.strip()[-800:]}")
        return [Burst(*one) for one in json.loads(measured.read_text())]
