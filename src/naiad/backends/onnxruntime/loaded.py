"""What is opened once and shared by narrow instances of a model: the session, and all that is known before a request.

The weights lie in memory once, however many instances a model has: a run of a one-thread session stays on its caller's
thread, and any number of threads may run one session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.gpu import open_on_gpu
from naiad.backends.onnxruntime.options import SessionSettings
from naiad.backends.onnxruntime.ports import InputPort, OutputPort, read_value
from naiad.backends.onnxruntime.session import open_session, runtime
from naiad.backends.onnxruntime.signature import check, read_signature
from naiad.core.contracts import TensorFiles
from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig

RunGraph = Callable[[Sequence[str], Mapping[str, Any], Any], Sequence[Any]]
"""Output names, feeds by input name, RunOptions or None → values in the order of the names."""


def model_path(version_dir: Path, filename: str) -> Path:
    """The file to open: `filename` or `model.onnx`, or `model.onnx` in a folder of that name. Raises LoadFailed."""
    given = PurePosixPath(filename or "model.onnx")
    if given.is_absolute() or ".." in given.parts:
        raise LoadFailed(f"default_model_filename '{filename}' must be a path inside {version_dir}")
    path = version_dir / given
    if path.is_dir():
        path = path / "model.onnx"
    if not path.is_file():
        raise LoadFailed(f"{path}: no such file; the onnxruntime backend needs it", path=str(path))
    return path


class LoadedModel:
    """A session and everything about its tensors that can be worked out before the first request."""

    def __init__(self, files: TensorFiles, path: Path, settings: SessionSettings, gpu: int | None = None) -> None:
        """gpu: the number of the one to run on; None: the CPU."""
        config = files.config
        open_it = open_session if gpu is None else partial(open_on_gpu, gpu)
        self.session = open_it(
            path, threads=settings.threads, entries=dict(settings.entries), configure=settings.configure
        )
        signature = read_signature(self.session)
        check(config, signature)
        self.name = config.name
        self.version = files.version
        self.batches = config.max_batch_size > 0
        batch_dims = 1 if self.batches else 0
        scalars = signature.scalars
        self.inputs = tuple(
            InputPort(tensor, batch_dims, is_scalar=tensor.name in scalars and not self.batches)
            for tensor in config.instance_inputs
        )
        self.batch_inputs = config.batch_inputs
        self.scattered = {name: output.source for output in config.batch_outputs for name in output.names}
        """Outputs that are flat over the whole batch → the input by whose shapes they are cut."""
        self.outputs = {
            tensor.name: OutputPort(
                replace(tensor, reshape=None) if tensor.name in self.scattered else tensor,
                batch_dims,
                may_be_scalar=tensor.name in scalars,
            )
            for tensor in config.instance_outputs
        }
        self.run_options = settings.run_options()
        self.run = choose_run(self.session, config)


def choose_run(session: Any, config: ModelConfig) -> RunGraph:
    """The cheapest way to run a session with these types. Raises LoadFailed where there is none."""
    if any(tensor.datatype == "BF16" for tensor in config.instance_outputs):
        if any(tensor.datatype == "BYTES" for tensor in config.instance_inputs):
            raise LoadFailed(
                f"model '{config.name}': string inputs together with BF16 outputs cannot go through ONNX Runtime's "
                "Python binding; let the graph cast the outputs to FP32",
                model=config.name,
            )
        return partial(run_with_values, session)
    # session.run checks names that were checked at load; the call underneath takes the same arguments and saves
    # 0.8 of 4.6 µs on a small graph. It is not public, hence the second choice.
    inner = getattr(session, "_sess", None)
    run: RunGraph = getattr(inner, "run", session.run)
    return run


def run_with_values(session: Any, names: Sequence[str], feeds: Mapping[str, Any], options: Any) -> Sequence[Any]:
    """The way for outputs that numpy has no type for."""
    ort_value = runtime().OrtValue
    values = {
        name: feed if isinstance(feed, ort_value) else ort_value.ortvalue_from_numpy(np.ascontiguousarray(feed))
        for name, feed in feeds.items()
    }
    return [read_value(value) for value in session.run_with_ort_values(list(names), values, options)]
