"""When models are loaded: the three modes, what is done at start, what a look at the folders leads to."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from control_fixture import Fixture, Put

from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.core.errors import Failed, InvalidConfiguration, LoadFailed, NaiadError, NotReady, Overloaded
from naiad.loading.control import MOST_WAITING
from naiad.repository import FetchSettings
from naiad.serving.control import LoadParameters
from naiad.testing import LocalHub, running_server, tiny_checkpoint


async def test_none_loads_everything(repository: Path, put: Put) -> None:
    put("a")
    put("b", (1, 2))
    async with Fixture(repository) as server:
        assert server.all_loaded
        assert await server.states() == {"a/1": "READY", "b/2": "READY"}
        assert await server.control.offered() == {"a": "", "b": ""}


async def test_none_tells_what_failed_and_serves_the_rest(repository: Path, put: Put) -> None:
    put("good")
    (put("config") / "config.pbtxt").write_text("{")
    (put("file") / "1" / "model.onnx").write_text("")
    shutil.rmtree(put("version") / "1")
    async with Fixture(repository, repository / "good") as server:
        assert not server.all_loaded
        states = await server.states()
    assert states.pop("good/") == "UNAVAILABLE model appears in two or more repositories"
    assert states.pop("config/").startswith("UNAVAILABLE config.pbtxt:1:1: "), "clients see this: not where it lies"
    assert states.pop("file/1").startswith("UNAVAILABLE ")
    assert "at least one version must be available" in states.pop("version/")
    assert states == {}


@pytest.mark.parametrize(
    ("names", "loaded"), [((), set()), (("a",), {"a/1"}), (("*",), {"a/1", "b/1"}), (("b", "a"), {"a/1", "b/1"})]
)
async def test_explicit_loads_what_is_named(
    repository: Path, put: Put, names: tuple[str, ...], loaded: set[str]
) -> None:
    put("a")
    put("b")
    async with Fixture(repository, model_control_mode="explicit", load_model=names) as server:
        assert server.all_loaded
        assert set(await server.states()) == loaded


async def test_a_name_at_start_that_there_is_not(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="explicit", load_model=("a", "nope")) as server:
        assert not server.all_loaded
        assert await server.states() == {
            "a/1": "READY",
            "nope/": "UNAVAILABLE model not found in any model repository.",
        }
        put("nope")
        await server.load("nope")
        assert await server.states() == {"a/1": "READY", "nope/1": "READY"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"load_model": ("a",)}, r"Use of '--load-model' requires setting '--model-control-mode=explicit' as well\."),
        ({"load_model": ("a", "*"), "model_control_mode": "explicit"}, "leave out the other names"),
        ({"backend_config": ("x",)}, "write BACKEND,KEY=VALUE"),
        ({"model_control_mode": "auto"}, "--model-control-mode must be one of none, explicit, poll"),
    ],
)
def test_options_that_cannot_be_meant(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        Fixture(**settings)


async def test_an_empty_repository_will_get_models_in_explicit_and_poll_mode(repository: Path, put: Put) -> None:
    async with Fixture(repository) as server:
        assert not server.all_loaded
    async with Fixture(repository, model_control_mode="explicit") as server:
        assert server.all_loaded
        put("a")
        await server.load("a")
        assert await server.states() == {"a/1": "READY"}


async def test_a_disk_that_is_away_for_a_moment_is_no_reason_to_unload(
    repository: Path, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a")

    def fail(_: Path) -> Any:
        raise OSError(5, "Input/output error")

    async with Fixture(repository, model_control_mode="explicit", load_model=("a",)) as server:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "iterdir", fail)
            with pytest.raises(Failed, match="failed to poll from model repository"):
                await server.load("a")
        assert await server.states() == {"a/1": "READY"}


async def test_loads_of_one_model_come_one_after_the_other_and_of_several_together(repository: Path, put: Put) -> None:
    put("a")
    put("b")
    async with Fixture(repository, model_control_mode="explicit") as server:
        await asyncio.gather(
            *(server.load("a", f'{{"max_batch_size": {rows}}}') for rows in (2, 4, 8)), server.load("b")
        )
        assert server.catalog.find("a").config.max_batch_size == 8
        assert await server.states() == {"a/1": "READY", "b/1": "READY"}
        await asyncio.gather(server.unload("a"), server.load("a"), server.unload("a"))
        assert (await server.states())["a/1"] == "UNAVAILABLE unloaded"


async def test_nobody_has_to_wait_for_a_load(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="explicit") as server:
        waiting = asyncio.ensure_future(server.load("a"))
        await asyncio.sleep(0)
        future = server.control.load("a", LoadParameters())
        future.add_done_callback(lambda _: None)
        del future
        await waiting
        assert await server.states() == {"a/1": "READY"}


async def test_what_may_wait_is_bounded(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="explicit") as server:
        futures = [server.control.unload(f"m{n}", unload_dependents=False) for n in range(MOST_WAITING)]
        with pytest.raises(Overloaded, match="64 loads and unloads are already waiting"):
            server.control.load("a", LoadParameters())
        await asyncio.gather(*futures)
        await server.load("a")


async def test_a_server_that_stops_loads_nothing_more(
    repository: Path, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a")
    begun, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(_: Any, __: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        gate.wait()
        raise LoadFailed("too late")

    monkeypatch.setattr(OnnxRuntimeBackend, "load", slowly)
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setattr("naiad.loading.overrides.upload_folder", lambda: Path(tempfile.mkdtemp(dir=uploads)))
    async with Fixture(repository, model_control_mode="explicit") as server:
        files = {"1/model.onnx": (repository / "a" / "1" / "model.onnx").read_bytes()}
        loading = server.control.load("a", LoadParameters('{"backend": "onnxruntime"}', files))
        await begun.wait()
        assert len(list(uploads.rglob("model.onnx"))) == 1
        await server.control.drain()
        assert loading.cancelled()
        assert list(uploads.rglob("model.onnx")) == []
        with pytest.raises(NotReady, match="Server exiting"):
            server.control.load("a", LoadParameters())
        gate.set()


async def test_the_reason_is_in_the_log(repository: Path, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="explicit") as server:
        with pytest.raises(Failed, match=r"^failed to load 'a', failed to poll from model repository$"):
            await server.load("a", '{"max_batch_sze": 1}')
    reason = next(record.getMessage() for record in caplog.records if "Poll failed" in record.getMessage())
    assert reason.startswith("Poll failed for model directory 'a': Invalid config override: ")
    assert "max_batch_size" in reason


async def test_a_failed_load_is_tried_again_as_often_as_wanted(
    repository: Path, put: Put, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put("a")
    real, failures = OnnxRuntimeBackend.load, iter([True, True])

    def sometimes(self: Any, request: Any) -> Any:
        if next(failures, False):
            raise LoadFailed("not this time")
        return real(self, request)

    monkeypatch.setattr(OnnxRuntimeBackend, "load", sometimes)
    async with Fixture(repository, load_retries=2) as server:
        assert server.all_loaded
    assert [record.getMessage() for record in caplog.records if "not this time" in record.getMessage()] == [
        "failed to load 'a' version 1: not this time; 2 further attempts",
        "failed to load 'a' version 1: not this time; 1 further attempts",
    ]


async def test_a_checkpoint_and_its_view_come_and_go_together(tmp_path: Path) -> None:
    source = f"tiny={tiny_checkpoint(tmp_path / 'm')}"
    async with Fixture(source, model_control_mode="explicit") as server:
        assert await server.control.offered() == {"tiny": ""}
        assert await server.states() == {}
        await server.load("tiny")
        both = {"tiny.tensors/1": "READY", "tiny/1": "READY"}
        assert await server.states() == both
        first = server.catalog.find("tiny")
        await server.load("tiny")
        assert server.catalog.find("tiny") is first
        (tmp_path / "m" / "note.txt").write_text("changed")
        await server.load("tiny.tensors")
        assert server.catalog.find("tiny") is not first
        assert await server.states() == both
        with pytest.raises(NaiadError, match="follows from its checkpoint"):
            await server.load("tiny", "{}")
        await server.unload("tiny.tensors")
        assert set((await server.states()).values()) == {"UNAVAILABLE unloaded"}


async def test_a_view_does_not_take_another_models_name(repository: Path, put: Put, tmp_path: Path) -> None:
    put("tiny.tensors")
    source = f"tiny={tiny_checkpoint(tmp_path / 'm')}"
    async with Fixture(repository, source, model_control_mode="explicit", load_model=("tiny.tensors",)) as server:
        with pytest.raises(LoadFailed, match=r"'tiny\.tensors' already comes with 'tiny\.tensors'"):
            await server.load("tiny")
        assert (await server.states())["tiny.tensors/1"] == "READY"


async def test_a_model_from_a_hub_is_fetched_when_it_is_asked_for(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    with LocalHub() as hub:
        hub.add_folder("org/tiny", checkpoint)
        fetching = FetchSettings(endpoint=hub.url, cache_dir=tmp_path / "cache")
        async with Fixture("hf://org/tiny", fetching=fetching, model_control_mode="explicit") as server:
            assert await server.control.offered() == {"tiny": ""}
            assert not (tmp_path / "cache").exists()
            await server.load("tiny")
            assert (await server.states())["tiny/1"] == "READY"


@pytest.mark.parametrize(("strict", "status"), [(True, 400), (False, 200)])
def test_readiness_may_be_that_of_the_server_alone(repository: Path, put: Put, strict: bool, status: int) -> None:
    (put("a") / "config.pbtxt").write_text("{")
    with running_server(str(repository), strict_readiness=strict) as server:
        connection = HTTPConnection(server.address)
        connection.request("GET", "/v2/health/ready")
        assert connection.getresponse().status == status
        connection.close()
