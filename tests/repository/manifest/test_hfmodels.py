from __future__ import annotations

import json
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository import HubReference, Manifest, read_manifest


def read(tmp_path: Path, document: object) -> Manifest:
    (tmp_path / "hfmodels.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return read_manifest(tmp_path / "hfmodels.json")


def test_the_whole_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_common")
    monkeypatch.setenv("ORG", "acme")
    models = [
        {"name": "{{ ORG }}/one", "ref": "v1", "token": "hf_own", "ignore": ["*.md"]},
        {"name": "org/two"},
    ]
    first, second = read(tmp_path, {"token": "{{HF_TOKEN}}", "models": models}).models
    assert (first.source, first.ignore) == (HubReference("acme/one", "v1"), ("*.md",))
    assert second.source == HubReference("org/two")
    assert [entry.token.reveal() for entry in (first, second) if entry.token] == ["hf_own", "hf_common"]
    assert "hf_" not in repr((first, second)) + str(first.token)


def test_without_tokens(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, {"models": [{"name": "org/two", "token": ""}]}).models
    assert entry.token is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", ["line 1", "not JSON"]),
        ("[]", ["must be a mapping"]),
        ('{"models": {{MODELS}}}', ["not JSON"]),
        ("[" * 100_000, ["hfmodels.json"]),
        ({"models": []}, ["at least one item"]),
        ({"model": []}, ["did you mean 'models'?"]),
        ({"models": [{"name": "org/a", "reff": "x"}]}, ["models[0]", "did you mean 'ref'?"]),
        ({"models": [{"ref": "x"}]}, ["models[0]", "'name' is missing"]),
        ({"models": [{"name": "gpt2"}]}, ["models[0]", "it looks like org/name"]),
        ({"token": "{{NOT_SET}}", "models": [{"name": "org/a"}]}, ["token", "variable NOT_SET is not set"]),
        ({"token": "{{ HF_TOKEN | upper }}", "models": [{"name": "org/a"}]}, ["only {{NAME}}"]),
        ({"token": "{% if x %}", "models": [{"name": "org/a"}]}, ["only {{NAME}}"]),
        ({"token": "hf_with blank", "models": [{"name": "org/a"}]}, ["empty or has characters"]),
        ({"models": [{"name": "org/a", "ignore": "x", "token": 3}]}, ["models[0].token", "must be a string"]),
    ],
)
def test_mistakes_name_the_place(document: object, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(tmp_path, document)
    assert [word for word in words if word not in caught.value.message] == []
    assert "hf_with" not in caught.value.message
