"""Sentences for clients: what went wrong, without where files lie on this machine, which is none of their business.

Logs keep the whole sentence; clients get no more than a few lines of one.
"""

from __future__ import annotations

import os
import re

LONGEST = 2000
"""Characters: some errors quote what they found in a file."""

_PATH = re.compile(
    r"""(?<![\w.:/~-])/(?P<first>[^\s/'"`:;,()\[\]<>]+)(?:/[^\s/'"`:;,()\[\]<>]+)*/(?P<last>[^\s/'"`:;,()\[\]<>]*)"""
)
"""An absolute path with more than one part. Names of operators in a graph look like that, too."""


def without_places(sentence: str) -> str:
    """Give a sentence with nothing left but the last part of each path of this machine's file systems."""
    told = _PATH.sub(_last, sentence)
    return told if len(told) <= LONGEST else told[:LONGEST] + "…"


def _last(match: re.Match[str]) -> str:
    return match["last"] or "…" if os.path.lexists("/" + match["first"]) else match[0]
