"""A copy of a graph as the runtime wants it on this machine: optimised, its matrices laid out for the processor.

Sessions that open the copy map it instead of laying the matrices out in memory of their own. So the one-thread and the
all-threads session of a model, and other processes too, share one copy of the weights: MiniLM, float32, two sessions:
37 MB of private memory instead of 113, at the same speed (without laying out at all, a lone request is up to 1.6x
slower). The copy suits one version of ONNX Runtime on one kind of processor, and its name says which.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.prepared.alignment import align
from naiad.backends.onnxruntime.prepared.extents import is_aligned
from naiad.backends.onnxruntime.session import open_session, runtime
from naiad.core.errors import LoadFailed

GRAPH = "model.onnx"
DATA = "model.onnx.data"
COMPLETE = "complete"
"""Empty file, written last."""

_DISABLED = ("SkipLayerNormFusion",)
"""Its kernel in ONNX Runtime 1.31 takes 48 µs on (30, 384), addition and LayerNormalization apart 9 µs: a quarter of
the time of an exported int8 MiniLM."""

_CPU_FACTS = ("model name", "flags", "CPU implementer", "CPU part", "Features")

_log = logging.getLogger("naiad.backends.onnxruntime")


def open_shared(graph: Path, prepared_in: Path, *, threads: tuple[int, ...]) -> list[Any]:
    """Open one session for each number of threads (0 = all cores); together they hold the weights once.

    prepared_in: folder for the copy, made on first use. Where it cannot be written or the copy cannot be opened, the
    sessions open the graph itself, each with matrices of its own. Raises LoadFailed where the graph cannot be opened.
    """
    place = prepared_in / f"prepared-{_machine()}"
    try:
        if not _is_whole(place):
            shutil.rmtree(place, ignore_errors=True)
            _prepare(graph, place)
        return [
            open_session(place / GRAPH, threads=count, entries=_entries(count), configure=_as_it_is, is_ours=True)
            for count in threads
        ]
    except OSError as error:
        _log.warning("prepared graph cannot be stored", extra={"folder": str(place), "reason": str(error)})
    except LoadFailed as error:
        _log.warning("prepared graph is damaged; made again next time", extra={"reason": error.message})
        shutil.rmtree(place, ignore_errors=True)
    return [
        open_session(graph, threads=count, entries=_entries(count), disabled_optimizers=_DISABLED) for count in threads
    ]


def _entries(threads: int) -> dict[str, str]:
    """Threads of the session for lone requests wait for their share of each operator awake.

    Being woken costs more than most operators take: MiniLM over HTTP, one client: 4.3 to 3.2 ms, int8 2.0 to 1.6 ms.
    They sleep again soon after the run. Sessions of one thread have nobody to wait for.
    """
    return {} if threads == 1 else {"session.intra_op.allow_spinning": "1"}


def _is_whole(place: Path) -> bool:
    """Whether a copy is there and can be mapped: kernels end the process on matrices at odd places."""
    try:
        return (place / COMPLETE).exists() and is_aligned(place / GRAPH)
    except (OSError, ValueError):
        return False


def _prepare(graph: Path, place: Path) -> None:
    """Have the runtime write the copy into a new folder, then put that in place; whoever is first wins."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as folder:
        made = Path(folder) / "copy"
        made.mkdir()
        write_copy(graph, made)
        align(made / GRAPH, made / DATA)
        (made / COMPLETE).touch()
        try:
            made.rename(place)
        except OSError:
            if not _is_whole(place):
                raise


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


def _as_it_is(options: Any) -> None:
    """The copy was optimised when it was made."""
    options.graph_optimization_level = runtime().GraphOptimizationLevel.ORT_DISABLE_ALL


def _machine() -> str:
    """Short name for this processor, this version of the runtime and what is asked of it."""
    facts = [platform.system(), platform.machine(), str(runtime().__version__), *_DISABLED]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    facts += sorted({line for line in lines if line.startswith(_CPU_FACTS)})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
