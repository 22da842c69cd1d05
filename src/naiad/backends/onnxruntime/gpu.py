"""Sessions on one of NVIDIA's GPUs, with the ONNX Runtime that is built for them (the package onnxruntime-gpu).

Where CUDA cannot be used, that ONNX Runtime runs a model on the CPU, and only its log tells; here, it is refused.
Tensors are copied to the GPU and back by the runtime itself.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.session import CPU, open_session, runtime
from naiad.core.errors import LoadFailed

CUDA = "CUDAExecutionProvider"


def has_cuda() -> bool:
    """Whether this ONNX Runtime is built for GPUs; whether there is one shows when a session is opened."""
    return CUDA in runtime().get_available_providers()


def open_on_gpu(gpu: int, model: Path, **options: Any) -> Any:
    """Open a session on the GPU of that number; options: those of `open_session`. Raises LoadFailed."""
    missing = _load_libraries()
    session = open_session(model, providers=[(CUDA, {"device_id": gpu}), CPU], **options)
    if CUDA not in session.get_providers():
        why = missing or "it finds no GPU of that number, or no driver for it"
        raise LoadFailed(
            f"{model}: the model asks for GPU {gpu} (KIND_GPU), which ONNX Runtime cannot use: {why}. "
            "To serve it on the CPU, ask for KIND_CPU, or install onnxruntime instead of onnxruntime-gpu",
            path=str(model),
        )
    return session


@cache
def _load_libraries() -> str:
    """Load those of CUDA that were installed as packages, where the linker does not look; returns what is missing."""
    said = io.StringIO()
    with redirect_stdout(said):  # that is how this function of the runtime tells
        runtime().preload_dlls()
    failed = [line.partition(": ")[2] for line in said.getvalue().splitlines() if line.startswith("Failed to load")]
    return f"{failed[0]} (pip install 'onnxruntime-gpu[cuda,cudnn]' brings CUDA's libraries)" if failed else ""
