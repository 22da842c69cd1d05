"""The public test server: what goes wrong on the way up comes out, and nothing is left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import naiad.loading.control as control
from naiad.core.errors import InvalidConfiguration
from naiad.repository import ModelEntry
from naiad.server.assembly import Assembly
from naiad.testing import running_server

SIMPLE = str(Path(__file__).parents[1] / "data" / "model_repository" / "simple")


def test_a_start_that_fails_says_why_instead_of_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop was closed with its ports still open; with warnings as errors, that never came to an end."""

    async def load(self: Assembly) -> bool:
        raise KeyError("no such thing")

    monkeypatch.setattr(Assembly, "load", load)
    before = set(threading.enumerate())
    with pytest.raises(KeyError, match="no such thing"), running_server(SIMPLE):
        pass
    assert "naiad-testing" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_ports_that_are_taken() -> None:
    with running_server(SIMPLE) as running:
        with (
            pytest.raises(InvalidConfiguration, match="cannot listen"),
            running_server(SIMPLE, http_port=running.server.http_port),
        ):
            pass
        assert running.all_loaded


def test_an_unexpected_error_costs_one_model_and_not_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def plan(origin: object, *rest: object) -> object:
        if origin.name == "odd":  # type: ignore[attr-defined]
            raise MemoryError("too much of it")
        return real(origin, *rest)  # type: ignore[arg-type]

    real = control.plan
    monkeypatch.setattr(control, "plan", plan)
    with running_server(ModelEntry.from_source(f"odd={SIMPLE}"), SIMPLE) as running:
        assert not running.all_loaded
        rows = {row["name"]: row.get("reason", "") for row in running.server.catalog.index()}
        assert rows["simple"] == ""
        assert "MemoryError: too much of it" in rows["odd"]
    assert "unexpected error while loading" in caplog.text
