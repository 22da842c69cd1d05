"""A real Redis server for tests, on a port of its own: started, stopped, frozen and started again as a test says."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAM = shutil.which("redis-server")
WHY_NOT = "redis-server is not installed (on Debian: apt-get install redis-server)"
_START_S = 30.0


class RedisProcess:
    """One Redis server; it keeps its port, and nothing on the disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        """options: of redis-server, as `--requirepass secret`."""
        self.host = "127.0.0.1"
        self.port = 0
        self.options = options
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty; returns when it takes connections."""
        is_given = bool(self.port)
        for _ in range(5):
            if not is_given:
                self.port = _free_port()  # which somebody may take before Redis does
            if self._begin():
                return
        raise RuntimeError(f"redis-server does not start; see {self._folder}/redis.log")

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def freeze(self) -> None:
        """Let it take connections, but answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def ask(self, *words: str) -> bytes:
        """Send one command, as a line of words, and return what comes back within one packet."""
        with socket.create_connection((self.host, self.port), timeout=30) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65536)

    def lines(self, **settings: object) -> tuple[str, ...]:
        """`--cache-config` for it; timeouts are long, since the machine may be busy with other tests."""
        given = {"host": self.host, "port": self.port, "connect_timeout": 5000, "socket_timeout": 5000, **settings}
        if "wait_timeout" not in given:
            given["wait_timeout"] = 10_000
        return tuple(f"redis,{name}={value}" for name, value in given.items())

    def _begin(self) -> bool:
        assert PROGRAM is not None
        options = (
            "--port",
            str(self.port),
            "--bind",
            self.host,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self._folder),
        )
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, *options, *self.options], stdout=log, stderr=log)
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s and self._process.poll() is None:
            try:
                if self.ask("PING"):
                    return True
            except OSError:
                time.sleep(0.01)
        self.kill()
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
