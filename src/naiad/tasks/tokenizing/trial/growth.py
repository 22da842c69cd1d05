"""How much longer the steps of a tokenizer.json can make a text, told before any of them is run.

Replacements that feed each other double a text with every step: forty of them, a few kilobytes of JSON, take all memory
there is for the letter that they begin with. A first run need not meet that letter.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed

MOST = 100.0
"""Times as long. NFKC makes 18 characters of one, and published tokenizers replace one by three at most."""

COMPOSED = frozenset({"NFKC", "NFKD", "Precompiled"})
"""Steps that write a character out, once: what comes out stays as it is in the next of them, unless something else
changes it between."""

LONGEST_COMPOSED = 18.0

FREE_COMPOSED = 2


_NOTHING = re.compile(r"^$|[*?^$]|\\[bBAzZG]|\{0?,|\{0|^\||\|$|\|\||\(\||\|\)")
"""What a pattern that matches between two characters, too, has in it; others that have it do no harm, either."""


def check_growth(path: Path, document: Mapping[str, Any]) -> None:
    """Raise LoadFailed for a tokenizer.json whose normalizer or decoder can make a text too much longer."""
    for part in ("normalizer", "decoder"):
        growth, composed = 1.0, 0
        for step in _steps(document.get(part)):
            growth *= _growth(step)
            composed += step.get("type") in COMPOSED
            if composed > FREE_COMPOSED:
                growth *= LONGEST_COMPOSED
            if growth > MOST:
                raise LoadFailed(
                    f"{path}: the replacements of its {part} can make a text more than {MOST:.0f} times as long; "
                    "remove those that feed each other",
                    path=str(path),
                )


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """The steps of a part in order; what is none is left to the library, which refuses it."""
    if not isinstance(part, dict):
        return
    if part.get("type") == "Sequence":
        for key in ("normalizers", "decoders"):
            inner = part.get(key)
            for step in inner if isinstance(inner, list) else ():
                yield from _steps(step)
    else:
        yield part


def _growth(step: Mapping[str, Any]) -> float:
    """How many characters one can become, at most."""
    match step:
        case {"type": "Replace", "pattern": {"String": str(pattern)}, "content": str(content)}:
            return max(1.0, len(content) / max(len(pattern), 1))
        case {"type": "Replace", "pattern": {"Regex": str(pattern)}, "content": str(content)}:
            return max(1.0, len(content) + bool(_NOTHING.search(pattern)))
        case {"type": "Prepend", "prepend": str(prepended)}:
            return 1.0 + len(prepended) / 8  # once a text, and a text may be short
        case {"type": "Precompiled", "precompiled_charsmap": str(table)}:
            return max(1.0, _longest_entry(table) / LONGEST_COMPOSED)
        case _:
            return 1.0


def _longest_entry(table: str) -> int:
    """Characters of the longest replacement in sentencepiece's table: a trie behind its size, then texts and zeros."""
    try:
        blob = base64.b64decode(table)
    except (binascii.Error, ValueError):
        return 0  # the library refuses it
    texts = blob[4 + int.from_bytes(blob[:4], "little") :]
    return max((len(text) for text in texts.split(b"\0")), default=0) // 2
