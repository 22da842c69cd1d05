from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository import HubReference, Manifest, ModelEntry, Secret, secret_from_environment


def test_from_the_command_line(tmp_path: Path) -> None:
    entry = ModelEntry.from_source("mini=org/name@v1", tmp_path, quantize="int8")
    assert entry == ModelEntry(HubReference("org/name", "v1"), "mini", quantize="int8")


def test_a_name_given_apart_wins(tmp_path: Path) -> None:
    assert ModelEntry.from_source("mini=org/name", tmp_path, name="other").name == "other"


@pytest.mark.parametrize("field", [{"quantize": "int4"}, {"weights": "gguf"}, {"name": "a/b"}])
def test_an_entry_that_makes_no_sense_cannot_exist(field: dict[str, str]) -> None:
    with pytest.raises(InvalidConfiguration):
        ModelEntry(HubReference("org/name"), **field)  # type: ignore[arg-type]


def test_two_models_of_one_name() -> None:
    with pytest.raises(InvalidConfiguration, match="two models are called 'x'"):
        Manifest((ModelEntry(HubReference("a/b"), "x"), ModelEntry(HubReference("c/d"), "x")))


def test_a_token_shows_itself_nowhere() -> None:
    token = Secret("hf_abc", "$TEAM")
    entry = ModelEntry(HubReference("org/name"), token=token)
    said = f"{token} {token!r} {entry} {entry!r} {[token]} {vars(entry) if hasattr(entry, '__dict__') else ''}"
    with pytest.raises(ValueError, match="token from") as caught:
        int(f"{token}")
    said += "".join(traceback.format_exception(caught.value))
    assert "hf_abc" not in said
    assert "<token from $TEAM>" in said
    assert token.reveal() == "hf_abc"
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(token)


def test_a_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "hf_abc\n")
    assert secret_from_environment("TEAM") == Secret("hf_abc", "$TEAM")
    monkeypatch.setenv("TEAM", "")
    with pytest.raises(InvalidConfiguration, match="environment variable TEAM"):
        secret_from_environment("TEAM")
