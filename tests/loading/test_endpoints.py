"""Endpoints that are loaded again while they serve: their code, and the model behind them."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from naiad.repository import read_manifest
from naiad.testing import RunningServer, running_server

MANIFEST = """
models:
  - source: {folder}/repository
endpoints:
  - {{endpoint: alone, engine: custom, preprocess: alone.py, model_file: word.txt, workers: 2}}
  - {{endpoint: before, model: m, preprocess: before, workers: 2}}
"""

ALONE = """
from pathlib import Path

class Preprocess:
    def load(self, local_file_name):
        self.word = Path(local_file_name).read_text()

    def process(self, data, state, fn=None):
        return {"number": %d, "word": self.word}
"""

BEFORE = """
import os

class Preprocess:
    def preprocess(self, body, state, fn=None):
        return [[[1.0]], [[2.0]]]

    def postprocess(self, data, state, fn=None):
        return {"sum": [float(one[0][0]) for one in data], "word": "%s", "pid": os.getpid()}
"""

CONFIG = """
backend: "identity"
max_batch_size: 4
input [ {{ name: "{0}" data_type: TYPE_FP32 dims: [ 1 ] }}, {{ name: "{1}" data_type: TYPE_FP32 dims: [ 1 ] }} ]
output [ {{ name: "{2}" data_type: TYPE_FP32 dims: [ 1 ] }}, {{ name: "{3}" data_type: TYPE_FP32 dims: [ 1 ] }} ]
"""


class Place:
    """A folder with a manifest and all that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "repository" / "m" / "1").mkdir(parents=True)
        (folder / "before").mkdir()
        self.model("a", "b", "c", "d")
        self.alone(1)
        self.before("first")
        (folder / "word.txt").write_text("old")
        (folder / "naiad.yaml").write_text(MANIFEST.format(folder=folder))

    def model(self, *names: str) -> None:
        (self.folder / "repository" / "m" / "config.pbtxt").write_text(CONFIG.format(*names))

    def alone(self, number: int) -> None:
        (self.folder / "alone.py").write_text(ALONE % number)

    def before(self, word: str) -> None:
        (self.folder / "before" / "__init__.py").write_text(BEFORE % word)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def serving(place: Place) -> Iterator[RunningServer]:
    entries = read_manifest(place.folder / "naiad.yaml").entries
    with running_server(*entries, model_control_mode="poll", repository_poll_s=3600.0) as server:
        assert server.all_loaded
        yield server


def ask(server: RunningServer, path: str) -> tuple[int, Any]:
    request = Request(f"{server.url}/serve/{path}", b"{}", {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@contextmanager
def asking(server: RunningServer, path: str, found: list[tuple[int, Any]]) -> Iterator[None]:
    """Four clients that ask until the block ends."""
    is_over, begun = threading.Event(), threading.Barrier(5)

    def go_on() -> None:
        found.append(ask(server, path))
        begun.wait(60)
        while not is_over.is_set():
            found.append(ask(server, path))

    with ThreadPoolExecutor(4) as threads:
        clients = [threads.submit(go_on) for _ in range(4)]
        begun.wait(60)
        try:
            yield
        finally:
            is_over.set()
        for client in clients:
            client.result()


def look(server: RunningServer) -> None:
    server.run(server.server.control.look_again)


def test_a_worker_that_is_killed_costs_what_it_had_in_hand_and_nothing_else(place: Place) -> None:
    """The other one takes all further requests until there is one in its place."""
    found: list[tuple[int, Any]] = []
    with serving(place) as server:
        model = server.server.catalog.find("before.serve")
        workers = model.statistics.workers
        assert workers is not None
        with asking(server, "before", found):
            pid = ask(server, "before")[1]["pid"]
            os.kill(pid, signal.SIGKILL)
            while not workers()[1] or ask(server, "before")[1].get("pid") == pid:
                found.append(ask(server, "before"))
    statuses = Counter(status for status, _ in found)
    assert set(statuses) <= {200, 500}
    assert statuses[500] <= 5  # of five clients
    assert statuses[200] > 5
    assert all("ended by SIGKILL" in body["detail"] for status, body in found if status == 500)


def test_new_code_takes_over_without_losing_a_request(place: Place) -> None:
    found: list[tuple[int, Any]] = []
    with serving(place) as server:
        with asking(server, "alone", found):
            place.alone(2)
            look(server)
            place.alone(3)
            look(server)
        assert ask(server, "alone") == (200, {"number": 3, "word": "old"})
    assert Counter(status for status, _ in found) == {200: len(found)}
    numbers = [body["number"] for _, body in found]
    assert numbers[0] == 1
    assert {1} < set(numbers) <= {1, 2, 3}


def test_new_code_of_the_same_size_and_second_is_read(place: Place) -> None:
    """Python would take what it compiled of the old code for that of the new one."""
    with serving(place) as server:
        for number in (2, 3):
            place.alone(number)
            os.utime(place.folder / "alone.py", ns=(10**18, 10**18 + number))
            look(server)
            assert ask(server, "alone") == (200, {"number": number, "word": "old"})
    assert not (place.folder / "__pycache__").exists()


def test_a_new_model_file_and_a_file_of_a_package_are_seen(place: Place) -> None:
    with serving(place) as server:
        assert ask(server, "before")[1]["word"] == "first"
        (place.folder / "word.txt").write_text("new")
        place.before("second")
        look(server)
        assert ask(server, "alone")[1]["word"] == "new"
        assert ask(server, "before")[1]["word"] == "second"


def test_what_has_not_changed_stays_as_it_is(place: Place) -> None:
    """Python's own files beside the code are no change."""
    with serving(place) as server:
        before = server.server.catalog.find("before.serve")
        (place.folder / "before" / "__pycache__").mkdir(exist_ok=True)
        (place.folder / "before" / "__pycache__" / "x.pyc").write_bytes(b"")
        look(server)
        assert server.server.catalog.find("before.serve") is before


def test_code_that_cannot_be_loaded_changes_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with serving(place) as server:
        (place.folder / "alone.py").write_text("class Preprocess:\n    def process(self):\n        pass\n")
        look(server)
        assert ask(server, "alone") == (200, {"number": 1, "word": "old"})
        assert any("Preprocess.process must be process(self, data," in record.getMessage() for record in caplog.records)
        place.alone(4)
        look(server)
        assert ask(server, "alone") == (200, {"number": 4, "word": "old"})


def test_a_model_with_other_names_takes_over_under_load(place: Place) -> None:
    """What the workers know of the model is asked for again when it refuses."""
    found: list[tuple[int, Any]] = []
    with serving(place) as server, asking(server, "before", found):
        place.model("p", "q", "r", "s")
        look(server)
        found.append(ask(server, "before"))
    assert Counter(status for status, _ in found) == {200: len(found)}
    assert {tuple(body["sum"]) for _, body in found} == {(1.0, 2.0)}


def test_a_class_that_is_wrong_at_the_start_is_the_reason_in_the_index(place: Place) -> None:
    (place.folder / "alone.py").write_text("import nothing_like_this\n")
    entries = read_manifest(place.folder / "naiad.yaml").entries
    with running_server(*entries) as server:
        assert not server.all_loaded
        rows = server.run(server.server.overview.index)
        (reason,) = [row["reason"] for row in rows if row["name"] == "alone.serve"]
        assert "importing alone.py failed: ModuleNotFoundError: No module named 'nothing_like_this'" in reason
        assert ask(server, "before")[0] == 200
        status, body = ask(server, "alone")
        assert status == 422
        assert body["detail"].startswith("Error [<class 'EndpointModelLoadException'>] processing request: ")
        assert body["detail"].endswith("No module named 'nothing_like_this'")
