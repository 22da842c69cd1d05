"""What hooks return, as JSON: the values that FastAPI writes, those of numpy, and nothing that JSON cannot hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_DEEPEST = 50
"""How deep a bad value is looked for."""


class NotJson(ValueError):
    """Raised for what cannot be written, with where it stands."""


def encode(value: Any) -> bytes:
    """Return the UTF-8 bytes of a JSON document. Raises NotJson."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except NotJson:
        raise
    except RecursionError as error:
        raise NotJson("the hook returned a value that holds itself, or is nested too deeply for JSON") from error
    except UnicodeEncodeError as error:
        raise NotJson(f"the hook returned a string that is not valid Unicode: {error}") from error
    except (TypeError, ValueError) as error:
        raise NotJson(f"the hook returned {_where(value) or error}") from error


def _plain(value: Any) -> Any:
    """Give a value that json knows."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise NotJson(
                "the hook returned bytes that are not UTF-8 text; encode them, for example as base64"
            ) from None
    if isinstance(value, (set, frozenset, deque)) or (isinstance(value, Iterable) and hasattr(value, "__next__")):
        return list(value)
    return _named(value)


def _named(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (pathlib.PurePath, uuid.UUID)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise NotJson(f"the hook returned a {type(value).__name__}, which JSON cannot hold; return plain values")


def _where(value: Any) -> str:
    """Say where the first value stands that is no number, or a key that is no text; empty where none is found."""
    for path, one in _walk(value, "", 0):
        if isinstance(one, float) and not math.isfinite(one):
            return f"{one}{f' at {path}' if path else ''}, which JSON cannot hold; replace it, for example by None"
        if isinstance(one, dict):
            for key in one:
                if not isinstance(key, (str, int, float, bool, type(None))):
                    return f"a dictionary with the key {key!r}; keys must be strings"
    return ""


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Give a value and all that it holds, each with where it stands."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    yield path, value
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, (list, tuple)):
        inner = enumerate(value)
    for key, one in inner if depth < _DEEPEST else ():
        yield from _walk(one, f"{path}[{key!r}]", depth + 1)
