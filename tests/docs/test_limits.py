"""The page on limits is complete: each field has a row with the option that sets it, and the defaults agree."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from naiad.core.settings.config import ServerSettings, options
from naiad.protocol.limits import Limits
from naiad.serving.worker import Worker
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.timeouts import HttpTimes
from naiad.wire.limiting import grpc_limits, http_capacity, http_limits, http_times
from naiad.wire.waiting import Waiting

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text()
NAMES = {option.flag: option.name for option in options()}
HTTP_ONLY = {"binary_bytes", "header_bytes", "target_bytes", "headers", "chunks", "pipelined", "unsent_bytes"}


def option_of(field: str, door: str = "http") -> str:
    """The option that the field's row names; of several, the door's."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{field}` |"))
    names = [NAMES[flag] for flag in re.findall("`(--[a-z-]+)`", row.split("|")[2])]
    return next((name for name in names if name.startswith(door)), names[0])


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
def test_every_limit_has_a_row_with_its_option(field: str) -> None:
    if field not in HTTP_ONLY:
        option = option_of(field, "grpc")
        assert getattr(grpc_limits(ServerSettings.of(**{option: 1234})), field) == 1234
    if field != "stream_requests":
        option = option_of(field)
        chosen = {"http_max_input_size": 1000} if field == "binary_bytes" else {}
        assert getattr(http_limits(ServerSettings.of(**{option: 1234}, **chosen)), field) == 1234


@pytest.mark.parametrize("field", [field.name for field in fields(HttpTimes) if field.name != "linger_s"])
def test_every_time_has_a_row_with_its_option(field: str) -> None:
    assert getattr(http_times(ServerSettings.of(**{option_of(field): 1234}).http), field) == 1234


@pytest.mark.parametrize("field", ["connections"])
def test_every_capacity_has_a_row_with_its_option(field: str) -> None:
    assert getattr(http_capacity(ServerSettings.of(**{option_of(field): 1234}), Waiting(), Worker()), field) == 1234


def test_the_defaults_of_the_options_are_those_of_the_code() -> None:
    settings = ServerSettings()
    assert http_limits(settings) == grpc_limits(settings) == Limits()
    assert http_times(settings.http) == HttpTimes()
    assert http_capacity(settings, Waiting(), Worker()) == Capacity()


def test_every_option_of_the_group_is_on_the_page() -> None:
    flags = [option.flag for option in options() if option.group == "Limits"]
    assert len(flags) > 20
    assert [flag for flag in flags if f"`{flag}`" not in PAGE] == []


def test_a_binary_tail_may_never_have_less_than_a_body_without_one() -> None:
    assert http_limits(ServerSettings.of(http_max_input_size=2**32)).binary_bytes == 2**32
