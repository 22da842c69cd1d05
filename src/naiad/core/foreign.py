"""Telling what a foreign library raises from what ends the process on purpose."""

from __future__ import annotations

PANIC = "PanicException"
"""What libraries written in Rust raise for a mistake of their own; pyo3 derives it from BaseException."""


def is_librarys(error: BaseException) -> bool:
    """Whether an error costs the call that it comes from and nothing else: any ordinary exception, and a panic."""
    return isinstance(error, Exception) or type(error).__name__ == PANIC
