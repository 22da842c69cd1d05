"""Tracebacks of model code, from where it begins to be the model's: what leads there is ours, or importlib's."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

_OURS = (str(Path(__file__).parent), str(Path(importlib.__file__).parent), "<frozen importlib")


def shown(error: BaseException) -> str:
    """Return the traceback of an error that model code has raised."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename.startswith(_OURS):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at or error.__traceback__))
