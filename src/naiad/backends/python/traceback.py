"""Tracebacks of model code in the operator's log; clients never see them."""

from __future__ import annotations

from types import TracebackType


class ModelTraceback(Exception):
    """Stands for an exception in a worker; its text is the whole traceback."""

    def __str__(self) -> str:
        return "\n" + "".join(map(str, self.args))


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def logged(text: object) -> ExcInfo | None:
    """Return what `exc_info` of a log call is to be; None where there is no traceback."""
    if not text:
        return None
    error = ModelTraceback(str(text).rstrip())
    return ModelTraceback, error, None
