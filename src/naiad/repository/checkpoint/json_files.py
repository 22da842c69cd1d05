"""JSON files of a checkpoint, with one set of errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed


def read_json(path: Path) -> Any:
    """The file's JSON value. Raises LoadFailed for a file that is missing, cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise LoadFailed(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise LoadFailed(f"{path} is not valid JSON: {error}", path=str(path)) from error


def read_object(path: Path, *, needed: bool = False) -> dict[str, Any]:
    """The file's JSON object, empty where there is no such file and none is needed.

    Raises LoadFailed for any other JSON value, and for a file that is needed and missing.
    """
    return checked_object(path, read_json(path)) if needed or path.exists() else {}


def checked_object(path: Path | str, value: Any) -> dict[str, Any]:
    """Give the value back if it is an object, else raise LoadFailed."""
    if not isinstance(value, dict):
        raise LoadFailed(f"{path} holds a JSON {type(value).__name__}, an object is expected", path=str(path))
    return value
