"""Models that change under load: `python tests/soak/swap.py --rounds 30`, by the load API and by watching folders.

The model adds a constant, which rises with each file that is written, so that an answer tells which copy has made it.
No request may be lost, and no answer may be older than the last load that has ended or newer than the newest file.
While a model is unloaded, requests are refused in words, and nothing else happens to them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import grpc
import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent))

from crowd import INFER, PATIENCE_S
from served import Served, served

from naiad.proto.pool import message_class

CLIENTS = 8
"""Of each door."""
RESTS_S = 0.1
"""Between two changes."""
LOOKS_S = 0.2
"""Between two looks at the folders."""
REFUSED = ("404", "503", "NOT_FOUND", "UNAVAILABLE")
MORE_MIB, MORE_THREADS, MORE_FILES = 60, 8, 8
"""What may be more in use at the end than after the first part."""

SETTLES_S = 10.0


class Repository:
    """The folder of model `m`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "m"
        self.newest = 0
        """The constant of the newest file."""

    def write(self, constant: int, version: int = 1) -> Path:
        """Put a model that adds the constant in place of the version's, in one step."""
        helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
        ends = [helper.make_tensor_value_info(name, numbers, ["n", 4]) for name in "xy"]
        added = onnx.numpy_helper.from_array(np.array([constant], np.float32), "c")
        graph = helper.make_graph([helper.make_node("Add", ["x", "c"], ["y"])], "m", ends[:1], ends[1:], [added])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        file = self.folder / str(version) / "model.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, file.with_name(".new"))
        self.newest = max(self.newest, constant)
        return file.with_name(".new").replace(file)


class Load:
    """Clients that ask until the block ends."""

    def __init__(self, server: Served, repository: Repository) -> None:
        self._server, self._repository = server, repository
        self.oldest = repository.newest
        """The constant of the last load that has ended."""
        self.counts: Counter[str] = Counter()
        self._over = threading.Event()
        asks = (self._http, self._grpc)
        self._threads = [threading.Thread(target=ask) for ask in asks for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _judge(self, oldest: int, value: float) -> str:
        is_right = oldest <= value <= self._repository.newest
        return "answered" if is_right else f"wrong: {value}, not in {oldest} … {self._repository.newest}"

    def _http(self) -> None:
        tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 2, 3]}
        body = json.dumps({"inputs": [tensor]})
        client = http.client.HTTPConnection("127.0.0.1", self._server.http_port, timeout=PATIENCE_S)
        while not self._over.is_set():
            oldest = self.oldest
            try:
                client.request("POST", "/v2/models/m/infer", body)
                answer = client.getresponse()
                raw = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.counts[f"lost: {type(error).__name__}"] += 1
                client.close()
                continue
            status = str(answer.status)
            if status == "200":
                self.counts[self._judge(oldest, json.loads(raw)["outputs"][0]["data"][0])] += 1
            else:
                self.counts["refused" if status in REFUSED else f"wrong: {status} {raw[:80]!r}"] += 1

    def _grpc(self) -> None:
        message = message_class("ModelInferRequest")(model_name="m")
        message.inputs.add(name="x", datatype="FP32", shape=[1, 4])
        message.raw_input_contents.append(struct.pack("<4f", 0, 1, 2, 3))
        raw = message.SerializeToString()
        read = message_class("ModelInferResponse").FromString
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self._server.grpc_port}", options=options) as channel:
            call = channel.unary_unary(INFER, response_deserializer=read)
            while not self._over.is_set():
                oldest = self.oldest
                try:
                    answer = call(raw, timeout=PATIENCE_S)
                except grpc.RpcError as error:
                    status = error.code().name
                    self.counts["refused" if status in REFUSED else f"lost: {status} {error.details()}"] += 1
                else:
                    self.counts[self._judge(oldest, struct.unpack_from("<f", answer.raw_output_contents[0])[0])] += 1


def control(server: Served, verb: str) -> int:
    """Load or unload the model; returns the status."""
    client = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    client.request("POST", f"/v2/repository/models/m/{verb}")
    status = client.getresponse().status
    client.close()
    return status


def reload(server: Served, repository: Repository, load: Load) -> None:
    repository.write(repository.newest + 1)
    assert control(server, "load") == 200
    load.oldest = repository.newest


def unload_and_load(server: Served, repository: Repository, load: Load) -> None:
    assert control(server, "unload") == 200
    time.sleep(RESTS_S)
    assert control(server, "load") == 200


def change_versions(server: Served, repository: Repository, load: Load) -> None:
    """Let a second version come, choose among the two, and let it go again."""
    repository.write(repository.newest, version=2)
    config = repository.folder / "config.pbtxt"
    for policy in ("latest { num_versions: 2 }", "specific { versions: [1] }", "all {}"):
        config.write_text(f"version_policy {{ {policy} }}\n")
        assert control(server, "load") == 200
    shutil.rmtree(repository.folder / "2")
    config.unlink()
    assert control(server, "load") == 200


def load_a_broken_file(server: Served, repository: Repository, load: Load) -> None:
    file = repository.folder / "1" / "model.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert control(server, "load") == 400
    file.write_bytes(whole)
    assert control(server, "load") == 200


def load_and_unload_at_once(server: Served, repository: Repository, load: Load) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda verb: control(server, verb), ["load", "unload"] * 4)) == {200}
    assert control(server, "load") == 200


def replace_watched(server: Served, repository: Repository, load: Load) -> None:
    repository.write(repository.newest + 1)
    time.sleep(2 * LOOKS_S)


def write_watched_slowly(server: Served, repository: Repository, load: Load) -> None:
    """Half a file is there at one look; it is no model, and the one that serves stays."""
    file = repository.write(repository.newest)
    whole = file.read_bytes()
    with file.open("wb") as out:
        out.write(whole[:100])
        out.flush()
        time.sleep(1.5 * LOOKS_S)
        out.write(whole[100:])
    time.sleep(1.5 * LOOKS_S)


Change = Callable[[Served, Repository, Load], None]
EXPLICIT: tuple[tuple[Change, bool], ...] = (
    (reload, False),
    (unload_and_load, True),
    (change_versions, False),
    (load_a_broken_file, False),
    (load_and_unload_at_once, True),
)
POLL: tuple[tuple[Change, bool], ...] = ((replace_watched, False), (write_watched_slowly, False))
"""What is done under load, and whether requests may be refused meanwhile."""


def swap(rounds: int, changes: tuple[tuple[Change, bool], ...], *options: str) -> tuple[Counter[str], bool]:
    """Do each change so many times; returns what became of all requests, and whether it is all allowed."""
    total: Counter[str] = Counter()
    is_good = True
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        repository.write(1)
        with served(*options, repository=repository.root) as server:
            before: tuple[float, ...] = ()
            for change, may_be_refused in changes:
                with Load(server, repository) as load:
                    for _ in range(rounds):
                        change(server, repository, load)
                        time.sleep(RESTS_S)
                print(f"{change.__name__} × {rounds}: {dict(load.counts)}")
                is_good &= set(load.counts) <= {"answered", *(["refused"] if may_be_refused else [])}
                total.update(load.counts)
                before = before or in_use(server)
            server.wait_ready()
            is_good &= is_settled(server, before)
    return total, is_good


def in_use(server: Served) -> tuple[float, ...]:
    return server.memory_mib(), server.threads(), server.files()


def is_settled(server: Served, before: tuple[float, ...]) -> bool:
    """Whether the server gives back what it used: at once, or as soon as a busy machine lets it close connections."""
    end_s = time.monotonic() + SETTLES_S
    while True:
        more = [late - early for late, early in zip(in_use(server), before, strict=True)]
        is_good = all(one <= most for one, most in zip(more, (MORE_MIB, MORE_THREADS, MORE_FILES), strict=True))
        if is_good or time.monotonic() > end_s:
            print("more than after the first: {:.0f} MiB, {} threads, {} files".format(*more))
            return is_good
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    explicit, is_good = swap(rounds, EXPLICIT, "--model-control-mode=explicit", "--load-model=m")
    poll, is_good_too = swap(rounds, POLL, "--model-control-mode=poll", f"--repository-poll-s={LOOKS_S}")
    total = explicit + poll
    print(f"{total.total()} requests: {dict(total)}")
    if not (is_good and is_good_too):
        raise SystemExit("requests were lost, or something is left over")


if __name__ == "__main__":
    main()
