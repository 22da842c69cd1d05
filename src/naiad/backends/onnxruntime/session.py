"""The one place that imports onnxruntime and makes sessions.

Sessions here are made for a server: no spinning threads, no telemetry, warnings of the runtime kept quiet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from naiad.backends.onnxruntime.prepared.extents import read_extents
from naiad.core.errors import LoadFailed
from naiad.core.machine.cores import available_cores

CPU = "CPUExecutionProvider"


@cache
def runtime() -> ModuleType:
    """Import onnxruntime on first use and switch its telemetry off."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; later calls leave its store and thread behind
    import onnxruntime

    module: ModuleType = onnxruntime
    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)  # 4: nothing but the end; errors are raised as exceptions anyway
    return module


def bytes_beside(model: Path) -> int:
    """Bytes of the files in a model's folder: the model, its weights, and what else lies there."""
    with os.scandir(model.parent) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.is_file())


def open_session(
    model: Path,
    *,
    threads: int = 1,
    entries: dict[str, str] | None = None,
    configure: Callable[[Any], None] | None = None,
    disabled_optimizers: Sequence[str] = (),
    is_ours: bool = False,
    providers: Sequence[Any] = (CPU,),
) -> Any:
    """Open an InferenceSession, on the CPU unless `gpu.py` asks for it.

    threads: how many one run may use, the caller's included; 0 = all available cores. A session with one thread may be
    run by several Python threads at a time: each run stays on its caller, and all share the one copy of the weights.
    entries: session config entries by their ONNX Runtime names. configure: called with the SessionOptions before the
    session is made, for what config.pbtxt may ask of them. disabled_optimizers: by their ONNX Runtime names. is_ours: a
    copy made for this machine, whose packed matrices may be used. providers: ONNX Runtime's, the preferred first.
    Raises LoadFailed naming the file.
    """
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    if not is_ours and _holds_packed(model):
        options.add_session_config_entry("session.disable_prepacking", "1")
    if configure is not None:
        configure(options)
    try:
        return onnxruntime.InferenceSession(
            str(model), options, providers=list(providers), disabled_optimizers=list(disabled_optimizers)
        )
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise LoadFailed(f"{model}: ONNX Runtime cannot load this file: {error}", path=str(model)) from error


def _holds_packed(model: Path) -> bool:
    """Whether a file brings matrices laid out for some processor: at odd places, or for another one, they crash us."""
    try:
        return any(extent.is_packed for extent in read_extents(model))
    except (OSError, ValueError):
        return False  # the runtime says better what is wrong with it
