"""Workers of Python models that are killed under load: `python tests/soak/kills.py --requests 10000 --kills 200`.

Every request is answered: with the right numbers, with an error that says that the worker has ended, or with 503 while
it is started again. Only what was with a worker when it was killed is answered with that error: its last batch, or one
that it had not begun; no request is run twice. Nothing is left: no process, no descriptor, no shared memory, no file.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from naiad.testing import RunningServer, running_server

CLIENTS = 8
INSTANCES = 2
SHARED = (tempfile.gettempdir(), "/dev/shm")  # noqa: S108 - only looked at
LARGE = 20_000
"""Elements of every tenth request, which travel in shared memory."""

MODEL = """
import os
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.begun = os.open(f"{args['model_repository']}/begun-{os.getpid()}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def execute(self, requests):
        numbers = [str(request.inputs()[0].as_numpy()[0, 0]) for request in requests]
        os.write(self.begun, (" ".join(numbers) + chr(10)).encode())
        sum(range(50_000))  # a millisecond, in which it may be killed
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy() + 1)])
                for request in requests]
"""
CONFIG = f"""
backend: "python"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_INT32 dims: [ -1 ] }}
output {{ name: "y" data_type: TYPE_INT32 dims: [ -1 ] }}
dynamic_batching {{ }}
instance_group {{ count: {INSTANCES} }}
"""
ENDED = "ended while it ran this request"
RETURNS = "is being started again; try again"
"""A worker that was killed before it had answered anything is not started again at once."""


def ask(connection: http.client.HTTPConnection, number: int) -> str:
    """Send one request; `right`, `ended`, `refused`, or what else was told."""
    values = [number] * (LARGE if number % 10 == 0 else 4)
    body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, len(values)], "data": values}]}
    connection.request("POST", "/v2/models/m/infer", json.dumps(body))
    answer = connection.getresponse()
    document = json.loads(answer.read())
    if answer.status == 200:
        return "right" if document["outputs"][0]["data"] == [number + 1] * len(values) else f"wrong: {number}"
    if answer.status == 503 and RETURNS in document["error"]:
        return "refused"
    return "ended" if ENDED in document["error"] else f"{answer.status}: {document['error']}"


def client(running: RunningServer, numbers: list[int], told: Counter[str], lost: set[int]) -> None:
    connection = http.client.HTTPConnection(running.address, timeout=120)
    for number in numbers:
        answer = ask(connection, number)
        if answer == "ended":
            lost.add(number)
        told[answer] += 1
    connection.close()


def workers(running: RunningServer) -> list[int]:
    """Processes of the model's workers."""
    slots = running.server.catalog.find("m")._scheduler._slots  # type: ignore[attr-defined]
    supervisors = [slot.runner._instance._supervisor for slot in slots]
    return [one._worker.pid for one in supervisors if one.is_up]


def complaints(folder: Path, killed: set[int], lost: set[int]) -> list[str]:
    """Hold what was lost against what each worker has noted as begun, a line for a batch."""
    begun = {int(file.name.rpartition("-")[2]): file.read_text().splitlines() for file in folder.rglob("begun-*")}
    last = {number for pid in killed if begun.get(pid) for number in map(int, begun[pid][-1].split())}
    every = Counter(int(number) for lines in begun.values() for line in lines for number in line.split())
    untouched = lost - every.keys()
    print(
        f"{len(every)} were begun; lost: {len(lost & last)} of killed batches, {len(untouched)} on the way to a worker"
    )
    wrong = [
        f"request {number} was lost, but not with the last batch of a killed worker"
        for number in sorted(lost - last - untouched)
    ]
    return wrong + [f"request {number} was run {times} times" for number, times in every.items() if times > 1]


def found_files() -> set[str]:
    """What lies in the places where something could be left."""
    return {str(path) for place in SHARED for path in Path(place).glob("*naiad*")}


def children() -> list[int]:
    """Processes of this one, ended ones included."""
    return [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]


def left() -> tuple[int, int]:
    """Descriptors of this process, and its mapped regions."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), Path("/proc/self/maps").read_text().count("naiad-tensors")


def run(requests: int, kills: int) -> list[str]:
    """Return what went wrong."""
    told: Counter[str] = Counter()
    lost: set[int] = set()
    seen: set[int] = set()
    killed: set[int] = set()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder) / "m" / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(MODEL)
        (version.parent / "config.pbtxt").write_text(CONFIG)
        with running_server(folder) as running:
            threads = [
                threading.Thread(target=client, args=[running, list(range(at, requests, CLIENTS)), told, lost])
                for at in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            for done in range(1, kills + 1):
                while sum(told.values()) < requests * done // (kills + 1):
                    time.sleep(0.002)
                found = workers(running)
                seen.update(found)
                if found:
                    with suppress(ProcessLookupError):
                        os.kill(victim := chance.choice(found), signal.SIGKILL)
                        killed.add(victim)
            for thread in threads:
                thread.join()
            seen.update(workers(running))
            restarts = running.server.catalog.find("m").statistics.workers()[1]  # type: ignore[misc]
            print(f"{dict(told)}, {restarts} restarts, descriptors and regions: {left()}")
        wrong = complaints(Path(folder), killed, lost)
    wrong += [f"{count} times: {what}" for what, count in told.items() if what not in ("right", "ended", "refused")]
    if sum(told.values()) != requests:
        wrong.append(f"{requests - sum(told.values())} requests were not answered")
    alive = [pid for pid in seen if Path(f"/proc/{pid}").exists()]
    return [*wrong, *(f"process {pid} is still there" for pid in {*alive, *children()})]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    chosen = parser.parse_args()
    before, files = left(), found_files()
    wrong = run(chosen.requests, chosen.kills)
    after = left()
    wrong += [f"{file} is left" for file in sorted(found_files() - files)]
    if after[1] or after[0] > before[0] + 4:
        wrong.append(f"descriptors and regions: {before} before, {after} after")
    for line in wrong:
        print(line)
    return len(wrong) and 1


if __name__ == "__main__":
    sys.exit(main())
