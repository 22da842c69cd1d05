"""One model to serve: where it comes from and what may be set about it.

A value whose constructor checks it; files (`naiad_yaml`, `hfmodels`) and the command line make the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.user_code.application import ApplicationEntry
from naiad.repository.manifest.endpoint import EndpointEntry, check_endpoints
from naiad.repository.manifest.ensemble import EnsembleEntry
from naiad.repository.manifest.secret import Secret
from naiad.repository.names import check_model_name
from naiad.repository.reference import HubReference, Reference, parse_reference, split_name

QUANTIZE = ("none", "int8")
WEIGHTS = ("auto", "onnx", "safetensors")


@dataclass(frozen=True, slots=True)
class Batching:
    """How waiting requests are joined; 0 = the server's own choice."""

    max_tokens_per_batch: int = 0
    max_queue_delay_ms: float = 0.0
    max_queue_size: int = 0
    """Requests that may wait before the next is refused."""
    instances: int = 0
    """Loaded copies."""

    def __post_init__(self) -> None:
        for name in ("max_tokens_per_batch", "max_queue_delay_ms", "max_queue_size", "instances"):
            if getattr(self, name) < 0:
                raise InvalidConfiguration(f"batching: {name} is negative; 0 means the server's own choice", key=name)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model to serve."""

    source: Reference
    name: str = ""
    """Empty: the source's own (`card.model_name`)."""
    token: Secret | None = field(default=None, repr=False)
    """For the Hub; None: HF_TOKEN or the saved login."""
    task: str = ""
    """A pipeline tag such as text-classification; empty: read from the checkpoint."""
    allow: tuple[str, ...] = ()
    """Hub: only files that match one of these patterns; empty: all that are needed."""
    ignore: tuple[str, ...] = ()
    """Hub: never files that match one of these patterns."""
    allow_code: bool = False
    """Hub: also download the model.py of Triton models. They run with the server's rights."""
    device: str = "auto"
    weights: str = "auto"
    """auto, onnx, safetensors, or the path of one ONNX file in the source."""
    quantize: str = "none"
    output: str = ""
    """Name of an ONNX file's output, where the names do not tell which one is meant."""
    inputs: Mapping[str, float] = field(default_factory=dict)
    """Values for inputs of an ONNX file that are the same for every text, by name."""
    is_repository: bool = False
    """A folder that holds models and is none itself, as `tritonserver --model-repository` has it; it may be empty."""
    batching: Batching = Batching()
    response_cache: bool = False
    """Keep its answers, where the server has a cache."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For the task: labels, hypothesis template, aggregation …"""

    def __post_init__(self) -> None:
        if self.name:
            check_model_name(self.name)
        if self.quantize not in QUANTIZE:
            raise InvalidConfiguration(
                f"quantize must be one of {', '.join(QUANTIZE)}, not '{self.quantize}'", key="quantize"
            )
        if self.weights not in WEIGHTS and not self.weights.endswith(".onnx"):
            raise InvalidConfiguration(
                f"weights must be one of {', '.join(WEIGHTS)} or the path of an .onnx file, not '{self.weights}'",
                key="weights",
            )
        if not isinstance(self.source, HubReference) and (self.token or self.allow or self.ignore):
            raise InvalidConfiguration(
                f"{self.source}: token_env, allow and ignore are for Hub sources; a folder is taken as it is",
                key="source",
            )

    @property
    def onnx_file(self) -> str:
        """The ONNX file asked for by name, or empty."""
        return self.weights if self.weights.endswith(".onnx") else ""

    @classmethod
    def from_source(cls, text: str, base: Path | None = None, **settings: Any) -> ModelEntry:
        """Make an entry of a command-line SOURCE or NAME=SOURCE; settings are further fields."""
        name, source = split_name(text)
        return cls(parse_reference(source, base), **{"name": name, **settings})


Entry = ModelEntry | EnsembleEntry | EndpointEntry | ApplicationEntry
"""What a server may be told to serve."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The models of one server."""

    models: tuple[ModelEntry, ...]
    path: Path | None = None
    """The file it was read from."""
    ensembles: tuple[EnsembleEntry, ...] = ()
    endpoints: tuple[EndpointEntry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that is to be served."""
        return (*self.models, *self.ensembles, *self.endpoints)

    def __post_init__(self) -> None:
        check_endpoints(self.endpoints)
        named: tuple[ModelEntry | EnsembleEntry, ...] = (*self.models, *self.ensembles)
        names = [entry.name for entry in named if entry.name]
        for name in names:
            if names.count(name) > 1:
                raise InvalidConfiguration(f"two models are called '{name}'; give one of them another name", name=name)
