"""Make a copy of a graph as the runtime wants it on this machine: optimised, its matrices laid out for the processor.

Sessions that open the copy map it instead of laying the matrices out in memory of their own. So the one-thread and the
all-threads session of a model, and other processes too, share one copy of the weights: MiniLM, float32, two sessions:
37 MB of private memory instead of 113, at the same speed (without laying out at all, a lone request is up to 1.6x
slower). The copy suits one version of ONNX Runtime on one kind of processor, and `machine_name` says which.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.prepared.alignment import align
from naiad.backends.onnxruntime.session import open_session, runtime

GRAPH = "model.onnx"
DATA = "model.onnx.data"

_DISABLED = ("SkipLayerNormFusion",)
"""Its kernel in ONNX Runtime 1.31 takes 48 µs on (30, 384), addition and LayerNormalization apart 9 µs: a quarter of
the time of an exported int8 MiniLM."""

_CPU_FACTS = ("model name", "flags", "CPU implementer", "CPU part", "Features")


def make_copy(graph: Path, folder: Path) -> None:
    """Write GRAPH and DATA into a folder. Raises LoadFailed where the graph cannot be opened, OSError."""
    write_copy(graph, folder)
    align(folder / GRAPH, folder / DATA)


def write_copy(graph: Path, folder: Path) -> None:
    """Have the runtime write graph and data as it wants them, tensors one behind the other."""
    entries = {
        "session.save_external_prepacked_constant_initializers": "1",
        "session.optimized_model_external_initializers_file_name": DATA,
        "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
    }

    def save(options: Any) -> None:
        options.optimized_model_filepath = str(folder / GRAPH)

    open_session(graph, entries=entries, configure=save, disabled_optimizers=_DISABLED)


def open_copy(copy: Path, threads: int) -> Any:
    """Open a session on a copy. Raises LoadFailed."""
    return open_session(copy, threads=threads, entries=_entries(threads), configure=_as_it_is, is_ours=True)


def open_original(graph: Path, threads: int) -> Any:
    """Open a session of the same kind on the graph itself, where there is no place for a copy. Raises LoadFailed."""
    return open_session(graph, threads=threads, entries=_entries(threads), disabled_optimizers=_DISABLED)


def machine_name() -> str:
    """Short name for this processor, this version of the runtime and what is asked of it."""
    facts = [platform.system(), platform.machine(), str(runtime().__version__), *_DISABLED]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    facts += sorted({line for line in lines if line.startswith(_CPU_FACTS)})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _entries(threads: int) -> dict[str, str]:
    """Threads of the session for lone requests wait for their share of each operator awake.

    Being woken costs more than most operators take: MiniLM over HTTP, one client: 4.3 to 3.2 ms, int8 2.0 to 1.6 ms.
    They sleep again soon after the run. Sessions of one thread have nobody to wait for.
    """
    return {} if threads == 1 else {"session.intra_op.allow_spinning": "1"}


def _as_it_is(options: Any) -> None:
    """The copy was optimised when it was made."""
    options.graph_optimization_level = runtime().GraphOptimizationLevel.ORT_DISABLE_ALL
