"""`hfmodels.json`: the list of Hub models that hieupth/tritonserver images download, read as a manifest.

    {"token": "{{HF_TOKEN}}", "models": [{"name": "org/repo", "ref": "main", "token": "…", "ignore": ["*.md"]}]}

`{{NAME}}` is the environment variable NAME. That is all of the template language that is understood: the files that
this reads use it for tokens and names. A variable that is not set is an error, not an empty text.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from naiad.core.errors import InvalidConfiguration
from naiad.repository.manifest.entry import Manifest, ModelEntry
from naiad.repository.manifest.fields import Fields, Position
from naiad.repository.manifest.secret import Secret
from naiad.repository.reference import HubReference

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def manifest_from_hfmodels(text: str, path: Path) -> Manifest:
    """Read the list; `path` is for messages. Raises InvalidConfiguration."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidConfiguration(f"{path.name} line {error.lineno}: not JSON: {error.msg}", file=path.name) from error
    except RecursionError as error:
        raise InvalidConfiguration(f"{path.name}: nested too deeply", file=path.name) from error
    top = Fields(document, Position(path.name), ("token", "models"))
    common = _token(top)
    places = [(top.place.at("models").at(index), item) for index, item in enumerate(top.items("models"))]
    return Manifest(tuple(_entry(item, place, common) for place, item in places), path)


def _entry(document: object, place: Position, common: Secret | None) -> ModelEntry:
    keys = Fields(document, place, ("name", "ref", "token", "ignore"))
    repo_id = _render(keys.text("name"), place.at("name"))
    revision = _render(keys.text("ref", ""), place.at("ref"))
    try:
        source = HubReference(repo_id, revision)
        return ModelEntry(source, token=_token(keys) or common, ignore=keys.texts("ignore"))
    except InvalidConfiguration as error:
        if error.detail.get("file"):
            raise
        raise place.refuse(error.message) from error


def _token(keys: Fields) -> Secret | None:
    text = keys.text("token", "")
    if not text:
        return None
    place = keys.place.at("token")
    return Secret(_render(text, place), f"{place}")


def _render(text: str, place: Position) -> str:
    """Fill in the environment. Values never come into a message: they may be tokens."""

    def fill(match: re.Match[str]) -> str:
        name = (match[1] or "").strip()
        if not _VARIABLE.fullmatch(name):
            raise place.refuse("of the template language only {{NAME}}, an environment variable, is supported")
        if name not in os.environ:
            raise place.refuse(f"the environment variable {name} is not set")
        return os.environ[name]

    return _TEMPLATE.sub(fill, text)
