"""What config.pbtxt and `--backend-config` may ask of a session: one frozen value, read once per load.

A model's own parameter counts before the backend-wide setting. Parameters that are not in the table are the business of
others (Triton ignores them too); a known one with a value that is no number is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.backends.onnxruntime.session import runtime
from naiad.core.contracts import LoadRequest
from naiad.core.errors import LoadFailed
from naiad.core.machine.cores import most_threads

SHRINKAGE = "memory.enable_memory_arena_shrinkage"
ENTRIES = ("session.use_device_allocator_for_initializers",)
WORDS = {"true": 1, "false": 0}
LEVELS = {-1: "ORT_ENABLE_BASIC", 1: "ORT_ENABLE_EXTENDED", 2: "ORT_DISABLE_ALL"}
"""`optimization.graph.level`; any other number means everything."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How a session is opened and run."""

    threads: int
    """Threads that one run may use; 0 = all cores."""
    inter_op_threads: int = 0
    """Threads among which branches of the graph are spread, with `is_parallel`; 0 = leave as it is."""
    is_parallel: bool = False
    uses_arena: bool = True
    uses_pattern: bool = True
    level: str = "ORT_ENABLE_ALL"
    entries: tuple[tuple[str, str], ...] = ()
    """Session config entries by their ONNX Runtime names."""
    shrinkage: str = ""
    """Memory to give back after each run, such as `cpu:0`."""

    @classmethod
    def of(cls, request: LoadRequest) -> SessionSettings:
        """Read a load request. Raises LoadFailed naming the parameter."""
        config = request.tensors.config
        parameters: Mapping[str, str] = {**request.settings, **config.parameters}

        def number(key: str, default: int) -> int:
            return _number(config.name, key, parameters[key]) if parameters.get(key) else default

        graph = config.document.get("optimization", {}).get("graph", {})
        return cls(
            threads=_threads(config.name, "intra_op_thread_count", number("intra_op_thread_count", request.threads)),
            inter_op_threads=_threads(config.name, "inter_op_thread_count", number("inter_op_thread_count", 0)),
            is_parallel=number("execution_mode", 0) == 1,
            uses_arena=number("enable_mem_arena", 1) != 0,
            uses_pattern=number("enable_mem_pattern", 1) != 0,
            level=LEVELS.get(int(graph.get("level", 0)), "ORT_ENABLE_ALL"),
            entries=tuple((key, parameters[key]) for key in ENTRIES if parameters.get(key)),
            shrinkage=parameters.get(SHRINKAGE, ""),
        )

    def configure(self, options: Any) -> None:
        """Write what `open_session` does not know to its SessionOptions."""
        onnxruntime = runtime()
        if self.inter_op_threads:
            options.inter_op_num_threads = self.inter_op_threads
        if self.is_parallel:
            options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
        options.enable_cpu_mem_arena = self.uses_arena
        options.enable_mem_pattern = self.uses_pattern
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, self.level)

    def run_options(self) -> Any:
        """RunOptions for every run, or None if there is nothing to say."""
        if not self.shrinkage:
            return None
        options = runtime().RunOptions()
        options.add_run_config_entry(SHRINKAGE, self.shrinkage)
        return options


def _threads(model: str, key: str, count: int) -> int:
    most = most_threads()
    if count > most:
        raise LoadFailed(
            f"model '{model}': parameter '{key}' is {count}, this machine allows {most} threads; lower it", model=model
        )
    return count


def _number(model: str, key: str, text: str) -> int:
    try:
        value = WORDS.get(text.lower())
        value = int(text) if value is None else value
    except ValueError as error:
        raise LoadFailed(f"model '{model}': parameter '{key}' must be a number, not '{text}'", model=model) from error
    if value < 0:
        raise LoadFailed(f"model '{model}': parameter '{key}' must not be negative, it is {value}", model=model)
    return value
