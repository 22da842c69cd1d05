"""The load generator: it counts what it is told to, keeps one request in flight, and does not swallow errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drive import measure_bursts, measure_load, post


class Echo(BaseHTTPRequestHandler):
    """Answers with the body, in pieces; with 503 when the body says so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if body == b"fail" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), 1000):
            self.wfile.write(body[start : start + 1000])

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def echoing() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_asks_for_the_requests_in_order_and_keeps_the_first_answers() -> None:
    with echoing() as port:
        requests = [post("/", body) for body in (b"one", b"two", b"x" * 5000)]
        figures = measure_load(port, requests, concurrency=2, seconds=30.0, count=20)
    assert figures.answers == 20
    assert figures.bodies == {0: b"one", 1: b"two", 2: b"x" * 5000}
    assert 0 < figures.p50_ms <= figures.p99_ms
    assert figures.per_second > 0


def test_stops_when_time_is_up() -> None:
    with echoing() as port:
        figures = measure_load(port, [post("/", b"again")], concurrency=1, seconds=0.1)
    assert figures.answers > 1


def test_an_answer_other_than_200_ends_the_measurement() -> None:
    with echoing() as port, pytest.raises(RuntimeError, match="503"):
        measure_load(port, [post("/", b"fail")], concurrency=1, seconds=30.0, count=5)


def test_bursts_come_whether_or_not_others_have_been_answered() -> None:
    with echoing() as port:
        sent = measure_bursts(port, post("/", b"x" * 3000), size=5, period_s=0.05, seconds=0.2)
    assert sorted({one.sent_s for one in sent}) == pytest.approx([0.0, 0.05, 0.1, 0.15])
    assert len(sent) == 20
    assert all(one.took_s > 0 for one in sent)


def test_a_burst_that_is_not_answered_with_200_is_an_error() -> None:
    with echoing() as port, pytest.raises(RuntimeError, match="503"):
        measure_bursts(port, post("/", b"fail"), size=2, period_s=0.05, seconds=0.05)
