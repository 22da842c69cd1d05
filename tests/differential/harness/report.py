"""What a run has found, for its last line."""

from __future__ import annotations

COUNTS = {"equal": 0, "listed": 0, "wrong": 0}
