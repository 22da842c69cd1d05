"""Poll mode: what a look at the folders leads to."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from control_fixture import Fixture, Put

from naiad.core.errors import NotFound, NotReady


async def test_a_look_loads_what_is_new_unloads_what_is_gone_and_reloads_what_changed(
    repository: Path, put: Put
) -> None:
    put("stays")
    put("goes")
    put("changes")
    async with Fixture(repository, model_control_mode="poll") as server:
        assert server.all_loaded
        before = {model.name: model for model in server.catalog.models()}
        shutil.rmtree(repository / "goes")
        put("comes")
        put("changes", (1, 2))
        await server.control.look_again()
        assert await server.states() == {
            "changes/1": "UNAVAILABLE unloaded",
            "changes/2": "READY",
            "comes/1": "READY",
            "goes/1": "UNAVAILABLE unloaded",
            "stays/1": "READY",
        }
        assert server.catalog.find("stays") is before["stays"]
        assert server.catalog.is_ready


async def test_a_model_that_is_gone_stays_known_and_comes_back(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll") as server:
        shutil.rmtree(repository / "a")
        await server.control.look_again()
        with pytest.raises(NotFound, match=r"Request for unknown model: 'a' has no available versions$"):
            server.catalog.find("a")
        with pytest.raises(NotReady, match="'a' version 1 is not at ready state"):
            server.catalog.find("a", "1")
        assert await server.states() == {"a/1": "UNAVAILABLE unloaded"}
        put("a")
        await server.control.look_again()
        assert await server.states() == {"a/1": "READY"}


async def test_a_new_version_folder_is_seen_while_it_is_empty(
    repository: Path, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll") as server:
        (repository / "a" / "2").mkdir()
        await server.control.look_again()
        states = await server.states()
        assert states.pop("a/2").startswith("UNAVAILABLE ")
        assert states == {"a/1": "READY"}
        assert "failed to load 'a' version 2" in caplog.text
        caplog.clear()
        await server.control.look_again()
        assert not caplog.text, "it is tried again when something has changed"
        put("a", (2,))
        await server.control.look_again()
        assert await server.states() == {"a/1": "UNAVAILABLE unloaded", "a/2": "READY"}


async def test_a_look_that_finds_something_broken_keeps_what_serves(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll") as server:
        model = server.catalog.find("a")
        (repository / "a" / "config.pbtxt").write_text("{")
        (put("b") / "config.pbtxt").write_text("{")
        await server.control.look_again()
        states = await server.states()
        assert states.pop("a/1") == "READY"
        assert states.pop("b/").startswith("UNAVAILABLE ")
        assert states == {}
        assert server.catalog.find("a") is model
        put("a")
        put("b")
        await server.control.look_again()
        assert await server.states() == {"a/1": "READY", "b/1": "READY"}


async def test_a_disk_that_is_away_for_a_moment_unloads_nothing(
    repository: Path, put: Put, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll") as server:
        real = Path.iterdir

        def fail(self: Path) -> Any:
            if self == repository:
                raise OSError(5, "Input/output error")
            return real(self)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "iterdir", fail)
            await server.control.look_again()
        assert await server.states() == {"a/1": "READY"}
        assert "Input/output error; the models that are loaded stay" in caplog.text
        shutil.rmtree(repository / "a")
        await server.control.look_again()
        assert not server.catalog.ready_versions("a")


async def test_a_source_of_one_model_may_go_and_come(repository: Path, put: Put) -> None:
    folder = put("a")
    async with Fixture(folder, model_control_mode="poll") as server:
        shutil.rmtree(folder)
        await server.control.look_again()
        assert not server.catalog.ready_versions("a")
        put("a")
        await server.control.look_again()
        assert server.catalog.ready_versions("a") == ["1"]


async def test_a_second_model_of_the_same_name_takes_the_first_out_of_service(
    repository: Path, put: Put, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    put("a")
    put("b", within=other)
    async with Fixture(repository, other, model_control_mode="poll") as server:
        put("a", within=other)
        await server.control.look_again()
        assert await server.states() == {"a/1": "UNAVAILABLE unloaded", "b/1": "READY"}
        assert await server.control.offered() == {"a": "model appears in two or more repositories", "b": ""}
        assert server.catalog.is_ready
        shutil.rmtree(repository / "a")
        await server.control.look_again()
        assert server.catalog.ready_versions("a") == ["1"]


async def test_a_model_that_comes_twice_is_not_served_and_does_not_make_the_server_unready(
    repository: Path, put: Put, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    put("a")
    put("b", within=other)
    async with Fixture(repository, other, model_control_mode="poll") as server:
        put("twice")
        put("twice", within=other)
        await server.control.look_again()
        assert await server.states() == {"a/1": "READY", "b/1": "READY"}
        assert server.catalog.is_ready
        with pytest.raises(NotFound, match="'twice' is not found"):
            server.catalog.find("twice")


async def test_the_clock_looks_by_itself(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll", repository_poll_s=0.001) as server:
        put("b")
        seen = asyncio.Event()
        real_swap = server.catalog.swap

        def swap(old: Any, new: Any) -> None:
            real_swap(old, new)
            if server.catalog.ready_versions("b") == ["1"]:
                seen.set()

        server.catalog.swap = swap  # type: ignore[method-assign]
        async with asyncio.timeout(10):
            await seen.wait()
