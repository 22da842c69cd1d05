"""Open a graph outside of service, to look at it or to compare its answers: as it is, and once.

Nothing is prepared for the machine, kept or tried in a process of its own; see `EncoderFiles.prepared_in`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.backends.registry import ENCODERS, find_backend
from naiad.core.contracts import Batch, Instance, LoadRequest, TensorFiles
from naiad.core.datatypes import BY_NAME
from naiad.core.encoding.encoder import EncoderItem, EncoderResult, EncoderSpec
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Dims
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.message import InferRequest, RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Array, Tensor


def open_encoder(graph: Path, spec: EncoderSpec, *, threads: int = 1) -> Instance[EncoderItem, EncoderResult]:
    """Open a graph of our own builder. threads: of one run; 0 = all cores. Raises LoadFailed."""
    instance: Any = _load_one(LoadRequest(EncoderFiles(graph, spec), (graph.name,), threads=threads, wide_threads=1))
    opened: Instance[EncoderItem, EncoderResult] = instance
    return opened


class Graph:
    """A graph of any kind on all cores, by the names of its file."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises LoadFailed, also for inputs and outputs of types that no array has."""
        files = TensorFiles(
            ModelConfig(path.name, backend=ENCODERS, default_model_filename=path.name), "1", path.parent, path.parent
        )
        request = LoadRequest(files, (path.name,), threads=0, wide_threads=1)
        ports = find_backend(ENCODERS).inspect(request)
        self.types = {name: BY_NAME[_known(path, name, ports.types[name])].numpy for name in ports.inputs}
        """By input."""
        self.outputs = tuple(ports.outputs)

        def describe(side: Mapping[str, Dims]) -> tuple[TensorConfig, ...]:
            return tuple(
                TensorConfig(name, _known(path, name, ports.types[name]), tuple(map(_size, dims)))
                for name, dims in side.items()
            )

        config = replace(files.config, inputs=describe(ports.inputs), outputs=describe(ports.outputs))
        instance: Any = _load_one(replace(request, model=replace(files, config=config)))
        self._instance = instance

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Compute outputs, all if none is named. Raises ModelFailed."""
        request = InferRequest(
            "",
            inputs={name: Tensor.of(name, array) for name, array in feeds.items()},
            outputs=tuple(map(RequestedOutput, outputs)),
        )
        (answer,) = self._instance.execute(Batch([request]))
        if isinstance(answer, NaiadError):
            raise answer
        return {tensor.name: tensor.data for tensor in answer.outputs}


def _load_one(request: LoadRequest) -> Any:
    (instance,) = find_backend(ENCODERS).load(request).narrow
    return instance


def _known(path: Path, name: str, kind: str) -> str:
    if kind not in BY_NAME:
        raise LoadFailed(f"{path}: '{name}' is {kind}, not a tensor of a type that can be served", path=str(path))
    return kind


def _size(dim: int | str | None) -> int:
    return dim if isinstance(dim, int) and dim >= 0 else -1
