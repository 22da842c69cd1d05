"""A library that panics costs the model that it was given, in every mode; the others are served and watched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from control_fixture import Fixture, Put

from naiad.core.errors import LoadFailed
from naiad.loading import text_models
from naiad.testing import tiny_checkpoint


class PanicException(BaseException):
    """Named and derived as pyo3's."""


@pytest.fixture(autouse=True)
def panics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is loaded as a checkpoint panics, at a place that nobody has thought of."""

    def fail(*_: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(text_models, "load_text_model", fail)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "evil")


async def test_at_start_the_others_are_served(repository: Path, put: Put, evil: Path) -> None:
    put("good")
    async with Fixture(repository, evil) as server:
        states = await server.states()
        assert states.pop("good/1") == "READY"
        assert states == {"evil/1": "UNAVAILABLE unexpected error: PanicException: index out of bounds"}
        assert not server.all_loaded


async def test_who_asks_for_it_is_answered(repository: Path, put: Put, evil: Path) -> None:
    put("good")
    async with Fixture(repository, evil, model_control_mode="explicit", load_model=("good",)) as server:
        with pytest.raises(LoadFailed, match="load failed for model 'evil': version 1 is at UNAVAILABLE state: unexp"):
            await server.load("evil")
        assert (await server.states())["good/1"] == "READY"


async def test_while_polling_later_changes_are_followed(repository: Path, put: Put, evil: Path) -> None:
    put("good")
    (evil / "config.json").rename(evil / "later.json")
    async with Fixture(repository, evil, model_control_mode="poll") as server:
        (evil / "later.json").rename(evil / "config.json")
        await server.control.look_again()
        put("good", (2,))
        await server.control.look_again()
        states = await server.states()
        assert states["evil/1"].startswith("UNAVAILABLE unexpected error")
        assert states["good/2"] == "READY"


async def test_a_look_that_fails_is_not_the_last(
    repository: Path, put: Put, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    put("good")
    looks, is_third = [], asyncio.Event()

    async def fail() -> None:
        looks.append(1)
        if len(looks) == 3:
            is_third.set()
        raise RuntimeError("the disk is odd")

    async with Fixture(repository, model_control_mode="poll", repository_poll_s=0.001) as server:
        monkeypatch.setattr(server.control, "look_again", fail)
        await asyncio.wait_for(is_third.wait(), 60)
    assert "the repositories could not be looked at" in caplog.text


async def test_a_stop_is_not_swallowed(repository: Path, evil: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(BaseException):
        """No library's."""

    def stop(*_: object) -> None:
        raise Stop

    monkeypatch.setattr(text_models, "load_text_model", stop)
    with pytest.raises(Stop):
        async with Fixture(evil):
            pass


async def test_reasons_do_not_tell_where_files_lie(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path_factory.mktemp("cache")

    def fail(*_: object) -> None:
        raise LoadFailed(f"{cache}/converted/x/model.onnx: damaged; and {tmp_path}/evil/config.json, too")

    monkeypatch.setattr(text_models, "load_text_model", fail)
    evil = tiny_checkpoint(tmp_path / "evil")
    shutil.copytree(evil, tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text(json.dumps({}))
    (tmp_path / "empty" / "model.safetensors").unlink()
    async with Fixture(evil, tmp_path / "empty") as server:
        states = await server.states()
        assert states["evil/1"] == "UNAVAILABLE model.onnx: damaged; and evil/config.json, too"
        assert str(tmp_path) not in str(states)
