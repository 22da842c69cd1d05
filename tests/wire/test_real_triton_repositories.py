"""What becomes of models when their folders change, at NVIDIA's own server and at ours, as `naiad triton` starts it.

For where `make test-triton` has set it up. Both are asked over HTTP; what they answer is equal but for the sentences of
DIFFERENT, which stand on the page docs/reference/differences.md.
"""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from both_repositories import Write, writer_for_naiad, writer_for_triton

from naiad.testing import running_server

PATIENCE_S = 30.0
NONE = "has no available versions"

ONLY_SERVED = "The index also lists models that lie in no repository, or no longer do."
NO_LONGER_WANTED = "A model that failed and was then unloaded, or is gone, does not keep the server from being ready."
TWICE_AT_START = "If two repositories have a model of the same name at start, the server is not ready."
DIFFERENT = (ONLY_SERVED, NO_LONGER_WANTED, TWICE_AT_START)


class Served:
    """One of the two servers, and its two repositories."""

    def __init__(self, port: int, one: Path, two: Path, write: Write, log: Path | None = None) -> None:
        self.port, self.one, self.two, self._write, self._log = port, one, two, write, log

    def put(self, repository: Path, name: str, *versions: int, **more: Any) -> None:
        """Write a model beside the repository, and move it there as a whole."""
        made = self.one.parent / "made"
        self._write(made, name, *(versions or (1,)), **more)
        (made / name).rename(repository / name)

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        document = json.loads(response.read() or b"null")
        connection.close()
        return response.status, document

    def load(self, name: str, config: str = "", verb: str = "load") -> tuple[int, Any]:
        body = {"parameters": {"config": config} if config else {}}
        return self.ask(f"/v2/repository/models/{name}/{verb}", body)

    def state(self, *names: str) -> dict[str, Any]:
        """What is told of models: metadata's status or error, whether they are ready; and whether the server is.

        Ours appends why there are no available versions.
        """
        told: dict[str, Any] = {"ready": self.ask("/v2/health/ready")[0]}
        for name in names:
            status, document = self.ask(f"/v2/models/{name}")
            ready = self.ask(f"/v2/models/{name}/ready")
            error = "".join(str(document.get("error", "")).partition(NONE)[:2])
            told[name] = ((status, error) if error else status, ready)
        return told

    def index(self) -> dict[str, list[str]]:
        """Name → version, state and reason of each row."""
        rows: dict[str, list[str]] = {}
        for row in self.ask("/v2/repository/index", {})[1]:
            words = (row.get("version", ""), row.get("state", ""), row.get("reason", ""))
            rows.setdefault(row["name"], []).append(" ".join(filter(None, words)))
        return rows

    def batch_of(self, name: str) -> int:
        return int(self.ask(f"/v2/models/{name}/config")[1]["max_batch_size"])

    def has_settled(self) -> bool:
        """Whether every load that has begun has succeeded, as far as the log tells.

        Triton loads everything again at its first look, and does not get over a folder that goes meanwhile.
        """
        log = "" if self._log is None else self._log.read_text()
        return log.count('"loading: ') == log.count("successfully loaded '")

    def wait_for(self, expected: dict[str, Any]) -> None:
        """Return when models are as expected; there is nothing but the answers to wait for."""
        self._wait(lambda: self._now(expected) == expected)
        assert self._now(expected) == expected

    def wait_until_settled(self) -> None:
        self._wait(self.has_settled)
        assert self.has_settled()

    def _now(self, expected: dict[str, Any]) -> dict[str, Any]:
        return self.state(*(name for name in expected if name != "ready"))

    @staticmethod
    def _wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)


Prepare = Callable[[Served], None]


@contextmanager
def both(folder: Path, real_triton: Any, prepare: Prepare, *options: str, **settings: Any) -> Iterator[list[Served]]:
    """Start both servers, NVIDIA's first. prepare: writes the models that are there at start."""
    with ExitStack() as stack:
        served = []
        for name, write in (("triton", writer_for_triton()), ("naiad", writer_for_naiad())):
            one, two = folder / name / "one", folder / name / "two"
            for repository in (one, two):
                repository.mkdir(parents=True)
            log = folder / name / "log"
            made = Served(0, one, two, write, log if name == "triton" else None)
            prepare(made)
            if name == "triton":
                started = stack.enter_context(real_triton(one, log, (f"--model-repository={two}", *options)))
                made.port = started.http[1]
            else:
                server = stack.enter_context(running_server(str(one), str(two), require_all_versions=True, **settings))
                made.port = server.server.http_port
            served.append(made)
        yield served


SERVED = (200, (200, None))
NOT_READY = (400, {"error": "Model version not ready"})


def gone(name: str) -> Any:
    return (404, f"Request for unknown model: '{name}' {NONE}"), NOT_READY


def unknown(name: str) -> Any:
    return (404, f"Request for unknown model: '{name}' is not found"), NOT_READY


def test_models_that_come_and_go_while_folders_are_watched(tmp_path: Path, real_triton: Any) -> None:
    def prepare(server: Served) -> None:
        for name in ("goes", "dup"):
            server.put(server.one, name)

    options = ("--model-control-mode=poll", "--repository-poll-secs=1", "--exit-on-error=false")
    with both(tmp_path, real_triton, prepare, *options, model_control_mode="poll", repository_poll_s=0.05) as servers:
        for server in servers:
            server.put(server.one, "first")
            server.wait_for({"ready": 200, "first": SERVED, "goes": SERVED, "dup": SERVED, "nope": unknown("nope")})
            server.wait_until_settled()
            shutil.rmtree(server.one / "goes")
            server.wait_for({"ready": 200, "goes": gone("goes"), "goes/versions/1": _not_at_ready("goes")})
            server.put(server.one, "goes")
            server.wait_for({"ready": 200, "goes": SERVED})
            server.put(server.two, "dup")
            server.put(server.one, "twice")
            server.put(server.two, "twice")
            server.wait_for({"ready": 200, "dup": gone("dup"), "twice": unknown("twice")})
            assert server.index()["dup"] == ["UNAVAILABLE model appears in two or more repositories"]
            assert server.index()["twice"] == server.index()["dup"]
            shutil.rmtree(server.one / "dup")
            server.wait_for({"ready": 200, "dup": SERVED})
            server.put(server.one, "half", 1, 2, more="version_policy { all { } }", bad=1)
            server.wait_for({"ready": 400, "half": gone("half"), "dup": SERVED})
        for server in servers:
            shutil.rmtree(server.one / "half")
        servers[1].wait_for({"ready": 200, "half": gone("half")})
        servers[0].wait_for({"ready": 400, "half": gone("half")})  # NO_LONGER_WANTED


def _not_at_ready(name: str) -> Any:
    return (503, f"Request for unknown model: '{name}' version 1 is not at ready state"), NOT_READY


def test_loads_that_are_refused_and_configurations_that_stay(tmp_path: Path, real_triton: Any) -> None:
    def prepare(server: Served) -> None:
        for name in ("a", "dup"):
            server.put(server.one, name)

    told: list[Any] = []
    options = ("--model-control-mode=explicit", "--load-model=a", "--load-model=dup")
    settings = {"model_control_mode": "explicit", "load_model": ("a", "dup")}
    with both(tmp_path, real_triton, prepare, *options, **settings) as servers:
        for server in servers:
            story: list[Any] = []
            config = (server.one / "a" / "config.pbtxt").read_text()
            given = json.dumps(_as_json(config) | {"max_batch_size": 4})
            story += [server.load("a", given), server.batch_of("a"), server.load("a"), server.batch_of("a")]
            story += [server.load("a", '{"max_batch_size": -1}')[0], server.load("a"), server.batch_of("a")]
            (server.one / "a" / "config.pbtxt").write_text(config.replace("max_batch_size: 8", "max_batch_size: 2"))
            story += [server.load("a"), server.batch_of("a")]
            story += [server.load("a", given), server.load("a", verb="unload"), server.load("a"), server.batch_of("a")]
            server.put(server.two, "dup")
            story += [server.load("dup"), server.state("dup"), server.index()["dup"]]
            shutil.rmtree(server.one / "a")
            story += [server.load("a"), server.state("a")]
            told.append(story)
        assert told[1] == told[0]
        assert [one for one in told[0] if isinstance(one, int) and one < 10] == [4, 4, 4, 2, 2]
        assert ["a" in server.index() for server in servers] == [False, True]  # ONLY_SERVED


def _as_json(config: str) -> dict[str, Any]:
    """What Triton's Python backend needs of a configuration; ours takes the rest from the model file."""
    ports = [{"name": f"INPUT{n}", "data_type": "TYPE_INT32", "dims": [16]} for n in (0, 1)]
    outputs = [{"name": f"OUTPUT{n}", "data_type": "TYPE_INT32", "dims": [16]} for n in (0, 1)]
    backend = "python" if "python" in config else "onnxruntime"
    return {"backend": backend, "input": ports, "output": outputs}


def test_what_is_offered_twice_at_start(tmp_path: Path, real_triton: Any) -> None:
    def prepare(server: Served) -> None:
        for repository in (server.one, server.two):
            server.put(repository, "dup")
        server.put(server.one, "a")

    with both(tmp_path, real_triton, prepare, "--exit-on-error=false") as servers:
        assert [server.state("a") for server in servers] == [
            {"ready": 200, "a": SERVED},
            {"ready": 400, "a": SERVED},
        ]  # TWICE_AT_START
        assert servers[1].index() == servers[0].index()


def test_the_page_has_every_difference() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "reference" / "differences.md").read_text().split())
    assert [sentence for sentence in DIFFERENT if sentence not in page] == []
