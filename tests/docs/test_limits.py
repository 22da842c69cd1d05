"""The page on limits is complete: each field and its option stand in one row, with the default that the code has."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from naiad.core.config import ServerSettings, flag
from naiad.protocol.limits import Limits
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.timeouts import HttpTimes
from naiad.wire.limiting import LIMIT_OPTIONS, TIME_OPTIONS, grpc_limits, http_capacity, http_limits, http_times

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text()
CAPACITY_OPTIONS = {"connections": "max_connections", "most_receiving_bytes": "http_max_receiving_size"}


def row_of(field: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{field}` |"))


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
def test_every_limit_has_an_option_and_a_row(field: str) -> None:
    assert f"`{flag(LIMIT_OPTIONS[field])}`" in row_of(field)
    assert getattr(ServerSettings(), LIMIT_OPTIONS[field]) == getattr(Limits(), field)


@pytest.mark.parametrize("field", [field.name for field in fields(HttpTimes) if field.name != "linger_s"])
def test_every_time_has_an_option_and_a_row(field: str) -> None:
    assert f"`{flag(TIME_OPTIONS[field])}`" in row_of(field)
    assert getattr(ServerSettings(), TIME_OPTIONS[field]) == getattr(HttpTimes(), field)


@pytest.mark.parametrize("field", CAPACITY_OPTIONS)
def test_every_capacity_has_an_option_and_a_row(field: str) -> None:
    assert f"`{flag(CAPACITY_OPTIONS[field])}`" in row_of(field)
    assert getattr(ServerSettings(), CAPACITY_OPTIONS[field]) == getattr(Capacity(), field)


def test_every_option_of_the_group_is_on_the_page() -> None:
    names = [option.name for option in fields(ServerSettings) if option.metadata["group"] == "Limits"]
    assert len(names) > 20
    assert [name for name in names if f"`{flag(name)}`" not in PAGE] == []


def test_every_option_reaches_the_door_that_it_is_for() -> None:
    chosen = {option: 1000 + at for at, option in enumerate([*LIMIT_OPTIONS.values(), *TIME_OPTIONS.values()])}
    settings = ServerSettings(**chosen, max_connections=7, http_max_receiving_size=8, grpc_max_input_size=9)
    http, grpc, times = http_limits(settings), grpc_limits(settings), http_times(settings)
    for field, option in LIMIT_OPTIONS.items():
        assert getattr(http, field) == chosen[option]
        assert getattr(grpc, field) == (9 if field == "body_bytes" else chosen[option])
    assert {field: getattr(times, field) for field in TIME_OPTIONS} == {
        field: chosen[option] for field, option in TIME_OPTIONS.items()
    }
    assert http_capacity(settings) == Capacity(7, 8)


def test_a_binary_tail_may_never_have_less_than_a_body_without_one() -> None:
    assert http_limits(ServerSettings(http_max_input_size=2**32)).binary_bytes == 2**32
