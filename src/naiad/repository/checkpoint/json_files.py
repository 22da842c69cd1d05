"""JSON files of a checkpoint, with one set of errors that name the file; bounded in size and depth.

Whoever reads a value checks its type where it counts (`naiad.repository.checkpoint.fields`). What nobody reads may be
anything.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed

MOST_BYTES = 2**28
"""Of one file; the largest tokenizers that are known have 35 MB."""

DEEPEST = 64
"""Objects and lists within each other; files that mean something have about ten."""

_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(path: Path) -> Any:
    """The file's JSON value. Raises LoadFailed for a file that is missing, too large, too deep or not JSON."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LoadFailed(f"{path} has more than {MOST_BYTES} bytes, which no such file needs", path=str(path))
        content = path.read_bytes()
        value = json.loads(content)
    except OSError as error:
        raise LoadFailed(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    except RecursionError as error:
        raise _too_deep(path) from error
    except ValueError as error:
        raise LoadFailed(f"{path} is not valid JSON: {error}", path=str(path)) from error
    if _is_deeper(value, DEEPEST):
        raise _too_deep(path)
    if _ESCAPED_SURROGATE.search(content) and not _is_text(value):
        raise LoadFailed(f"{path} has half a surrogate pair in it, which is no text", path=str(path))
    return value


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


def _is_text(value: Any) -> bool:
    """Whether all strings of a value can be written in UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(path: Path) -> LoadFailed:
    return LoadFailed(f"{path} has more than {DEEPEST} objects and lists within each other", path=str(path))


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether more than so many objects and lists lie within each other; level by level, as depth is no matter."""
    level = [value]
    for _ in range(levels + 1):
        level = [one for one in level if type(one) in (dict, list)]
        if not level:
            return False
        level = list(chain.from_iterable(one.values() if type(one) is dict else one for one in level))
    return True
