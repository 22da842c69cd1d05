"""Options made from settings: by section, repeatable, from the environment."""

from __future__ import annotations

from typing import Any

import click
import pytest

from naiad.cli.options import SectionedCommand, group_of
from naiad.cli.serve import command
from naiad.core.settings.config import GROUPS, ServerSettings, options


def read(*words: str) -> dict[str, Any]:
    return command.make_context("naiad serve", list(words)).params


def test_an_option_may_be_repeated() -> None:
    assert read("--load-model", "a", "--load-model=b,c")["load_model"] == ("a", "b,c")
    assert read()["load_model"] == ()


def test_a_variable_has_one_value_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas, colons and blanks are parts of values."""
    monkeypatch.setenv("NAIAD_HTTP_RESTRICTED_API", "health,metadata:a=b c\n\n inference:d=e\n")
    assert read()["http_restricted_api"] == ("health,metadata:a=b c", "inference:d=e")
    assert read("--http-restricted-api", "trace:x=y")["http_restricted_api"] == ("trace:x=y",), "the option wins"


def test_every_field_has_a_section_and_stands_in_it() -> None:
    assert isinstance(command, SectionedCommand)
    named = {parameter.name: group_of(parameter) for parameter in command.params}
    for option in options():
        assert option.group in GROUPS
        assert named[option.name] == option.group
    text = command.get_help(click.Context(command))
    places = [text.index(f"\n{group}:\n") for group in GROUPS if group in set(named.values())]
    assert places == sorted(places)


def test_the_defaults_of_the_options_are_those_of_the_settings() -> None:
    fields = {option.name for option in options()}
    assert ServerSettings.of(**{name: value for name, value in read().items() if name in fields}) == ServerSettings()


def test_help_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAIAD_HTTP_RESTRICTED_API", "health:key=very-secret")
    assert "very-secret" not in command.get_help(command.make_context("naiad serve", []))
