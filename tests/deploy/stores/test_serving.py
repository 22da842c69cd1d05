"""Models served from a store: loaded, changed, gone, broken off, and away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from emulators import EMULATORS, Emulator

from naiad.client import Client
from naiad.repository import FetchSettings, ModelEntry, fetch
from naiad.testing import RunningServer, running_server

CONFIG = """
name: "{name}" backend: "identity" max_batch_size: 8
input {{ name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }}
output {{ name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }}
"""

POLL = {"model_control_mode": "poll", "repository_poll_s": 0.05}


class Repository:
    """A folder of models in a store."""

    def __init__(self, store: Emulator) -> None:
        self._store = store
        self._path = f"serving/{uuid4().hex}"
        self.address = f"{store.address}/{self._path}"

    def put(self, path: str, content: bytes) -> None:
        self._store.put(f"{self._path}/{path}", content)

    def mark(self, folder: str) -> None:
        """Write the empty object by which consoles make a folder."""
        self._store.mark(f"{self._path}/{folder}".rstrip("/"))

    def add(self, name: str) -> None:
        self.put(f"{name}/1/note", b"x")
        self.put(f"{name}/config.pbtxt", CONFIG.format(name=name).encode())

    def remove(self, name: str) -> None:
        for path in ("config.pbtxt", "1/note"):
            self._store.delete(f"{self._path}/{name}/{path}")


@pytest.fixture
def repository(store: Emulator) -> Repository:
    return Repository(store)


def ask(server: RunningServer, model: str) -> list[float]:
    with Client(server.url) as client:
        answer = client.infer(model, {"IN": np.array([[1.0, 2.0]], np.float32)})
        return [float(value) for value in answer["OUT"].ravel()]


def serves(server: RunningServer, model: str) -> bool:
    with Client(server.url) as client:
        return client.is_model_ready(model)


def wait_for(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_models_are_served_and_follow_the_store(repository: Repository) -> None:
    repository.add("one")
    repository.add("two")
    with running_server(repository.address, **POLL) as server:
        assert server.all_loaded
        assert ask(server, "one") == ask(server, "two") == [1.0, 2.0]
        kept = server.server.catalog.find("one", "")
        repository.add("three")
        wait_for(lambda: serves(server, "three"))
        repository.remove("two")
        wait_for(lambda: not serves(server, "two"))
        assert server.server.catalog.find("one", "") is kept, "what has not changed is not loaded again"
        repository.put("one/1/note", b"changed")
        wait_for(lambda: server.server.catalog.find("one", "") is not kept)
        assert ask(server, "one") == [1.0, 2.0]


def test_folders_that_a_console_has_made_are_no_files(repository: Repository) -> None:
    """Consoles write an empty object for each; clients may leave out the slash at the end of its name."""
    for marker in ("", "one", "one/1"):
        repository.mark(marker)
    repository.put("one/config.pbtxt", CONFIG.format(name="one").encode())
    with running_server(repository.address) as server:
        assert server.all_loaded
        assert ask(server, "one") == [1.0, 2.0]
    with running_server(f"{repository.address}/one") as server:
        assert ask(server, "one") == [1.0, 2.0]


def test_one_model_has_the_name_that_it_is_given(repository: Repository) -> None:
    repository.add("one")
    with running_server(f"{repository.address}/one", f"other={repository.address}/one") as server:
        assert ask(server, "one") == ask(server, "other") == [1.0, 2.0]


def post(server: RunningServer, path: str, body: object = None) -> Any:
    request = urllib.request.Request(f"{server.url}{path}", json.dumps(body or {}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def test_a_model_is_loaded_and_configured_on_demand(repository: Repository) -> None:
    repository.add("one")
    with running_server(repository.address, model_control_mode="explicit") as server:
        assert not serves(server, "one")
        post(server, "/v2/repository/models/one/load")
        assert ask(server, "one") == [1.0, 2.0]
        with Client(server.url) as client:
            document = client.model("one").config() | {"max_batch_size": 2}
        post(server, "/v2/repository/models/one/load", {"parameters": {"config": json.dumps(document)}})
        with Client(server.url) as client:
            assert client.model("one").config()["max_batch_size"] == 2


def test_a_store_that_goes_away_costs_nothing_that_is_here(store: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch, EMULATORS[store.name]() as another:
        for variable, value in another.environ.items():
            patch.setenv(variable, value)
        repository = Repository(another)
        repository.add("one")
        with running_server(repository.address) as server:
            assert ask(server, "one") == [1.0, 2.0]
            another.process.kill()
            another.process.wait()
            assert ask(server, "one") == [1.0, 2.0]
        with running_server(repository.address) as server:
            assert ask(server, "one") == [1.0, 2.0]
    assert "serving what it held last, from the cache" in caplog.text


def test_nothing_at_an_address_is_said(repository: Repository) -> None:
    with running_server(repository.address) as server:
        assert not server.all_loaded
        [model] = post(server, "/v2/repository/index")
        assert "holds nothing to serve: looked for config.json" in model["reason"]
        assert "found no objects" in model["reason"]


BROKEN = """
import os, signal, sys
from naiad.repository import FetchSettings, ModelEntry, fetch
from naiad.repository.stores import download, store
pieces = 0
read = store.Store.read
def read_some(self, file, start, end):
    global pieces
    pieces += file.path.endswith("weights")
    if pieces == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, file, start, end)
store.Store.read = read_some
download.PIECE_BYTES = 1 << 16
fetch(ModelEntry.from_source(sys.argv[1]), FetchSettings())
"""


def test_a_download_that_was_killed_goes_on_where_it_was(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("one")
    content = os.urandom(10 << 16)
    repository.put("one/1/weights", content)
    done = subprocess.run([sys.executable, "-c", BROKEN, f"{repository.address}/one"], check=False, timeout=60)
    assert done.returncode == -9
    assert not [path for path in (tmp_path / "cache" / "stores" / "folders").iterdir() if path.suffix != ".lock"]
    asked = []
    from naiad.repository.stores.store import Store

    read = Store.read

    def noted(self: Store, file: object, start: int, end: int) -> memoryview:
        asked.append((getattr(file, "path", ""), start))
        return read(self, file, start, end)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "read", noted)
    fetched = fetch(ModelEntry.from_source(f"{repository.address}/one"), FetchSettings())
    try:
        assert (fetched.folder / "1" / "weights").read_bytes() == content
        assert [start for path, start in asked if path == "1/weights"] == [3 << 16]
    finally:
        fetched.release()
