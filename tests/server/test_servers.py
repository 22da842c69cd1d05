"""`naiad.Server` and `naiad.AsyncServer`, through one table of cases: in process they answer as they do over a port."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naiad
from naiad.errors import (
    DeadlineExceeded,
    InvalidConfiguration,
    InvalidRequest,
    LoadFailed,
    NaiadError,
    NotFound,
    NotReady,
)

CONFIG = """
backend: "identity"
max_batch_size: 8
input [
  { name: "text" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "number" data_type: TYPE_FP32 dims: [ 2 ] optional: true }
]
output [
  { name: "text_out" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "number_out" data_type: TYPE_FP32 dims: [ 2 ] }
]
"""
PATIENT = CONFIG + "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 600000000 }"
"""Waits ten minutes for company."""

Ask = Callable[..., Any]
"""ask(models, *calls, **options): run a server, make the calls one after the other, give the last answer."""


def ask_sync(models: Any, *calls: Callable[[Any], Any], **options: Any) -> Any:
    with naiad.Server(models, **options) as server:
        return [call(server) for call in calls][-1]


def ask_async(models: Any, *calls: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        async with naiad.AsyncServer(models, **options) as server:
            return [await call(server) for call in calls][-1]

    return asyncio.run(run())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


def put(folder: Path, name: str, config: str = CONFIG) -> Path:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(config)
    return folder / name


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    return put(tmp_path, "echo")


def test_one_value_gives_plain_values(ask: Ask, echo: Path) -> None:
    result = ask([echo], lambda server: server.infer("echo", {"text": "hello", "number": [1, 2]}, request_id="r1"))
    assert result.text_out.tolist() == ["hello"]
    assert (result.number_out.dtype, result["number_out"].tolist()) == (np.float32, [1.0, 2.0])
    assert (result.model_name, result.model_version, result.id) == ("echo", "1", "r1")


def test_a_model_is_called_as_with_a_client(ask: Ask, echo: Path) -> None:
    result = ask([echo], lambda server: server.model("echo", 1)([["a"], ["b"]], outputs=["text_out"]))
    assert (list(result), result.value.tolist()) == (["text_out"], [["a"], ["b"]])


def plain(result: naiad.client.Result) -> Any:
    values = {name: (value.dtype, value.tolist()) for name, value in result.items()}
    return values, result.model_name, result.model_version, result.id, dict(result.parameters)


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": "naïve 水"},
        {"text": [["a\0"], [b"\xff"]]},
        {"text": ["x"], "number": np.array([0.5, np.nan])},
        {"text": [["a"], ["b"]], "number": [[1, 2], [3, 4]]},
        {"text": 5},
        {"text": "a", "number": [1, 2, 3]},
        {"txt": "a"},
        {},
    ],
)
def test_answers_and_errors_are_those_of_a_client(echo: Path, inputs: dict[str, Any]) -> None:
    with naiad.Server([echo], http_port=0) as server, naiad.Client(server.http_address) as client:
        found = []
        for host in (server, client):
            try:
                found.append(repr(plain(host.infer("echo", inputs, request_id="7", parameters={"k": ["v"]}))))
            except NaiadError as error:
                found.append(f"{type(error).__name__}: {error}")
        assert found[0] == found[1]


def test_what_a_model_says_of_itself_is_what_it_says_to_a_client(echo: Path) -> None:
    with naiad.Server([echo], http_port=0) as server, naiad.Client(server.http_address) as client:
        mine, theirs = server.model("echo"), client.model("echo")
        assert mine.metadata() == theirs.metadata()
        assert mine.config() == theirs.config()
        assert (mine.is_ready(), theirs.is_ready()) == (True, True)
        assert mine.statistics() == theirs.statistics()
        mine(text="a")
        assert mine.statistics()["model_stats"][0]["inference_count"] == 1


def test_models_come_from_whatever_names_them(ask: Ask, echo: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "naiad.yaml"
    manifest.write_text("models: [{source: ./echo, name: fourth}]")
    models = [echo, f"second={echo}", {"source": str(echo), "name": "third"}]

    def call(name: str) -> Callable[[Any], Any]:
        return lambda server: server.infer(name, {"text": name})

    for name in ("echo", "second", "third", "fourth"):
        assert ask(models, call(name), manifest=manifest).text_out.tolist() == [name]


# mistakes


def test_one_source_needs_no_list(ask: Ask, echo: Path) -> None:
    for source in (str(echo), f"echo={echo}", echo, {"source": str(echo)}):
        assert ask(source, lambda server: server.infer("echo", {"text": "a"}))["text_out"] == "a"


@pytest.mark.parametrize("source", [None, 5, b"org/name", [["org/name"]], ["org/name", None]], ids=repr)
def test_what_is_no_source_is_refused_by_its_name(source: Any) -> None:
    for server in (naiad.Server, naiad.AsyncServer):
        with pytest.raises(InvalidConfiguration, match="is no source of a model; give a string, a Path, or a mapping"):
            server(source)


def test_there_is_no_such_model(ask: Ask, echo: Path) -> None:
    with pytest.raises(NotFound, match="unknown model: 'ecco' is not found"):
        ask([echo], lambda server: server.infer("ecco", {"text": "a"}))
    with pytest.raises(NotFound, match="'echo' version 7 is not found"):
        ask([echo], lambda server: server.model("echo", 7)("a"))


def test_an_input_that_the_model_does_not_have(ask: Ask, echo: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"no input 'txt' .* did you mean 'text'"):
        ask([echo], lambda server: server.infer("echo", {"txt": "a"}))


def test_a_model_that_cannot_be_loaded_is_named_and_nothing_is_left(ask: Ask, echo: Path, tmp_path: Path) -> None:
    put(tmp_path, "broken", CONFIG.replace("TYPE_FP32", "TYPE_FP33"))
    (tmp_path / "empty").mkdir()
    before = set(threading.enumerate())
    with pytest.raises(LoadFailed, match="model 'broken' cannot be served: ") as caught:
        ask([echo, tmp_path / "broken"], lambda server: server.infer("echo", {"text": "a"}))
    assert list(caught.value.detail["models"]) == ["broken"]  # type: ignore[call-overload]
    with pytest.raises(LoadFailed, match="empty"):
        ask([tmp_path / "empty"], lambda server: server.infer("echo", {"text": "a"}))
    left = {thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert not [name for name in left if name.startswith("naiad-server")]


def test_an_entry_or_option_that_is_wrong_is_refused_before_anything_starts(echo: Path) -> None:
    for kind in (naiad.Server, naiad.AsyncServer):
        with pytest.raises(InvalidConfiguration, match="unknown key 'quantise'; did you mean 'quantize'"):
            kind([{"source": str(echo), "quantise": "int8"}])
        with pytest.raises(InvalidConfiguration, match="--max-waiting must be at least 1"):
            kind([echo], max_waiting=0)
        with pytest.raises(TypeError, match="max_wating"):
            kind([echo], max_wating=1)


def test_a_port_that_is_taken(ask: Ask, echo: Path) -> None:
    with naiad.Server([echo], http_port=0) as server:
        port = int(server.http_address.rpartition(":")[2])
        with pytest.raises(InvalidConfiguration, match="--http-port"):
            ask([echo], lambda server: server.infer("echo", {"text": "a"}), http_port=port)


def test_no_port_is_open_unless_it_was_asked_for(echo: Path) -> None:
    with naiad.Server([echo], grpc_port=0) as server:
        assert server.grpc_address.startswith("127.0.0.1:")
        for name in ("http", "metrics"):
            with pytest.raises(NotReady, match=f"give it {name}_port=0"):
                getattr(server, f"{name}_address")


def test_before_the_start_and_after_the_end(echo: Path) -> None:
    server = naiad.Server([echo])
    with pytest.raises(NotReady, match="inside `with`"):
        server.infer("echo", {"text": "a"})
    server.close()  # nothing to do
    server.start()
    assert server.infer("echo", {"text": "a"}).text_out.tolist() == ["a"]
    server.close()
    server.close()
    with pytest.raises(NotReady):
        server.infer("echo", {"text": "a"})
    with pytest.raises(NotReady, match="make another one"):
        server.start()


async def test_before_the_start_and_after_the_end_in_asyncio(echo: Path) -> None:
    server = naiad.AsyncServer([echo])
    with pytest.raises(NotReady, match="has not been started"):
        await server.infer("echo", {"text": "a"})
    async with server:
        assert await server.is_model_ready("echo")
    with pytest.raises(NotReady, match="is closed"):
        await server.infer("echo", {"text": "a"})


def test_a_program_that_forgets_to_close_it_ends_all_the_same(echo: Path) -> None:
    program = (
        "import naiad, sys; s = naiad.Server([sys.argv[1]]); s.start(); print(s.infer('echo', {'text': 'a'}).text_out)"
    )
    command = [sys.executable, "-c", program, str(echo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "['a']\n", "")


def test_a_load_does_not_keep_a_program_that_is_interrupted(echo: Path) -> None:
    program = """
import os, signal, sys, threading
from naiad.backends.identity import IdentityBackend
import naiad
def load(*_):
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
IdentityBackend.load = load
naiad.Server([sys.argv[1]]).start()
"""
    command = [sys.executable, "-c", program, str(echo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in done.stderr


# time


def test_who_waits_no_longer_gets_an_error_and_the_request_is_withdrawn(ask: Ask, tmp_path: Path) -> None:
    put(tmp_path, "patient", PATIENT)

    def late(server: Any) -> Any:
        return server.infer("patient", {"text": "a"}, timeout_s=0.01)

    with pytest.raises(DeadlineExceeded, match=r"no answer from model 'patient' within 0\.01 s"):
        ask([tmp_path / "patient"], late)


def test_requests_of_many_threads_share_batches(tmp_path: Path) -> None:
    put(tmp_path, "patient", PATIENT)
    with naiad.Server([tmp_path / "patient"]) as server, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda text: server.infer("patient", {"text": text}), "abcdefgh"))
        assert [result.text_out.item() for result in results] == list("abcdefgh")
        assert server.model("patient").statistics()["model_stats"][0]["execution_count"] == 1


async def test_a_task_that_is_cancelled_withdraws_its_request(tmp_path: Path) -> None:
    put(tmp_path, "patient", PATIENT)
    async with naiad.AsyncServer([tmp_path / "patient"]) as server:
        task = asyncio.ensure_future(server.infer("patient", {"text": "a"}))
        statistics = server._running.engine.route("patient").statistics
        while not statistics.count_pending():  # noqa: ASYNC110 - the loop's next turn
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert statistics.failures["CANCELED"] == 1
