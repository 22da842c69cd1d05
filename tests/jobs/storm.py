"""Servers that are killed again and again while clients leave jobs with them; and what is left of the jobs.

A client notes a job only when it has been answered with 202. In the end, each of these must be done, with its own
number as the answer.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from job_server import ask, body, post

NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]
PORTS = ["--http-port", "0", "--no-allow-grpc", "--no-allow-metrics"]
LIMIT_S = 120.0


class Process:
    """One server, started anew when it is killed."""

    def __init__(self, models: Path, place: str, *options: str) -> None:
        self._command = [*NAIAD, "serve", str(models), "--jobs", place, *PORTS, *options]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self._drain: threading.Thread | None = None

    def start(self) -> None:
        """Start it; returns when it is ready."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        assert self._process.stderr is not None
        lines = []
        for line in self._process.stderr:
            lines.append(line)
            if found := re.search(r"ready on (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                break
        else:
            raise AssertionError("".join(lines))
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._drain.start()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal; returns its status when it has ended."""
        assert self._process is not None
        assert self._process.stderr is not None
        self._process.send_signal(number)
        status = self._process.wait(60)
        if self._drain is not None:
            self._drain.join(60)
        self._process.stderr.close()
        return status


class Clients:
    """Threads that leave jobs with whichever server answers."""

    def __init__(self, servers: list[Process], count: int = 4) -> None:
        self.accepted: dict[str, int] = {}
        """Path → number."""
        self._servers, self._lock, self._is_over = servers, threading.Lock(), threading.Event()
        self._more = threading.Condition()
        self._number = 0
        self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def wait_accepted(self, count: int) -> None:
        """Return when so many jobs have been accepted."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.accepted) >= count, LIMIT_S)

    def end(self) -> None:
        """Let them finish what they are at."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(120)

    def _submit(self) -> None:
        while not self._is_over.is_set():
            with self._lock:
                self._number += 1
                number = self._number
            server = self._servers[number % len(self._servers)]
            try:
                said = post(server.url, body(number))
            except (OSError, ValueError):  # it was killed just now
                self._is_over.wait(0.02)
                continue
            if said.status == 202:
                with self._more:
                    self.accepted[said.headers["Location"]] = number
                    self._more.notify_all()
            else:
                self._is_over.wait(0.02)


def storm(servers: list[Process], kills: int, seed: int) -> Clients:
    """Kill servers while jobs are submitted, each time after another number of them; returns when the last is up."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for server in servers:
        server.start()
    clients = Clients(servers)
    for _ in range(kills):
        clients.wait_accepted(len(clients.accepted) + chance.randint(1, 30 * len(servers)))
        server = chance.choice(servers)
        server.end(signal.SIGKILL)
        server.start()
    clients.end()
    return clients


def wrong(url: str, accepted: dict[str, int]) -> dict[str, str]:
    """Jobs that are lost or have not the answer that they should, and what they say."""
    found: dict[str, str] = {}
    until_s = time.monotonic() + LIMIT_S
    for path, number in accepted.items():
        said = ask(f"{url}{path}/result?wait_s=30")
        while said.status == 202 and time.monotonic() < until_s:
            said = ask(f"{url}{path}/result?wait_s=30")
        if said.status != 200 or said.json["outputs"][0]["data"] != [number]:
            found[path] = f"{said.status} {said.raw.decode()[:200]}"
    return found


def main() -> None:
    """python tests/jobs/storm.py KILLS PLACE [SERVERS]: the long one, by hand."""
    import tempfile

    from job_server import put

    kills, place = int(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        models = put(Path(folder), ms=5, count=2)
        options = ("--jobs-lease-s", "3", "--jobs-attempts", "100")
        servers = [Process(models, place, *options) for _ in range(int((*sys.argv, "1")[3]))]
        clients = storm(servers, kills, seed=1)
        lost = wrong(servers[0].url, clients.accepted)
        runs = [ask(f"{servers[0].url}{path}").json["attempts"] for path in list(clients.accepted)[::50]]
        sys.stdout.write(
            f"{kills} kills, {len(clients.accepted)} accepted, {len(lost)} lost {lost}, runs {max(runs)}\n"
        )
        sys.stdout.write(f"statuses {[server.end(signal.SIGTERM) for server in servers]}\n")


if __name__ == "__main__":
    main()
