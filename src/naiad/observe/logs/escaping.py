"""Text in log lines: whatever a client put into it stays inside its line, and moves no terminal's cursor."""

from __future__ import annotations

import json
from typing import Any


def visible(text: str) -> str:
    """Return a text with everything that cannot be printed written out, as Python does."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def json_line(value: Any) -> str:
    """Return a value as JSON on one line; JSON itself escapes only the oldest of the control characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
