"""config.json as all read it: the keys that decide what a checkpoint is have the types that they must have.

Sizes and options of an architecture are checked where they are read (`naiad.convert`), with that family's defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.core.json_values import shown
from naiad.repository.checkpoint.json_files import read_object

CONFIG = "config.json"

_TEXT, _TABLE = "a text", "an object"

_KINDS: dict[str, tuple[str, type]] = {
    "model_type": (_TEXT, str),
    "problem_type": (_TEXT, str),
    "position_embedding_type": (_TEXT, str),
    "id2label": (_TABLE, dict),
    "label2id": (_TABLE, dict),
}
"""Key → what its value must be, if it is not null."""


def read_config(folder: Path, *, needed: bool = False) -> dict[str, Any]:
    """The object in config.json; empty where there is none and none is needed. Raises LoadFailed naming a wrong key."""
    path = folder / CONFIG
    content = read_object(path, needed=needed)
    for key, (kind, wanted) in _KINDS.items():
        value = content.get(key)
        if value is not None and not isinstance(value, wanted):
            raise LoadFailed(f"{path}: {key} is {shown(value)}, {kind} is expected", path=str(path))
    classes = content.get("architectures")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise LoadFailed(f"{path}: architectures is {shown(classes)}, a list of names is expected", path=str(path))
    return content
