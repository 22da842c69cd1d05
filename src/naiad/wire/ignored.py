"""The warning for settings that a client sent and that mean nothing: ignored, as in Triton, but not silently."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

_SHOWN_KEYS = 5
_SHOWN_CHARACTERS = 64


def warn_ignored(log: logging.Logger, kind: str, keys: Iterable[str], known: Sequence[str]) -> None:
    """Say in one line, however much was sent, which keys are none of the known."""
    unknown = [key for key in keys if key not in known]
    if unknown:
        shown = ", ".join(repr(key[:_SHOWN_CHARACTERS]) for key in unknown[:_SHOWN_KEYS])
        log.warning("%d unknown %s settings were ignored (%s); known: %s", len(unknown), kind, shown, ", ".join(known))
