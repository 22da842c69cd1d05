"""Poll mode: what a look at the folders leads to."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from control_fixture import Fixture, Put


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
            "stays/1": "READY",
        }
        assert server.catalog.find("stays") is before["stays"]


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
        states = await server.states()
        assert states["a/"] == "UNAVAILABLE model appears in two or more repositories"
        assert not server.catalog.ready_versions("a")
        shutil.rmtree(repository / "a")
        await server.control.look_again()
        assert server.catalog.ready_versions("a") == ["1"]


async def test_the_clock_looks_by_itself(repository: Path, put: Put) -> None:
    put("a")
    async with Fixture(repository, model_control_mode="poll", repository_poll_s=0.001) as server:
        put("b")
        seen = asyncio.Event()
        real_swap = server.catalog.swap

        def swap(old: Any, new: Any) -> None:
            real_swap(old, new)
            seen.set()

        server.catalog.swap = swap  # type: ignore[method-assign]
        async with asyncio.timeout(10):
            await seen.wait()
        assert server.catalog.ready_versions("b") == ["1"]
