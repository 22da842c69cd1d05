"""A function, or several, bound to a model's name and version; and everything that a server has bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naiad.core.contracts import Instances
from naiad.core.errors import AlreadyExists, InvalidConfiguration, NotFound
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.core.nearest import did_you_mean
from naiad.core.tensor import Array
from naiad.functions.calling.coroutines import CoroutineInstance
from naiad.functions.calling.generators import GeneratorInstance
from naiad.functions.calling.kinds import Kind, kind_of
from naiad.functions.calling.plain import PlainInstance
from naiad.functions.calling.results import Results
from naiad.functions.context import FunctionModel
from naiad.functions.declared import Tensor, named
from naiad.functions.decorators.wrapping import stages
from naiad.functions.signature import read_inputs, read_outputs

BACKEND = "function"
"""What the configuration of such a model names as its backend."""

MAX_BATCH_SIZE = 64
"""Rows of a batch where nothing is said, of functions that take batches."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")

_OPTIONS = {"version", "strict", "config", "warmup", "hang_timeout_s"}
"""Fields of a Binding that are options of `bind`, besides those that `Binding.of` reads."""

Function = Callable[..., Any]


@dataclass(frozen=True)
class Binding:
    """One version of one model. Raises InvalidConfiguration for what cannot be one."""

    name: str
    functions: tuple[Function, ...]
    """One for each instance."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: int = 1
    max_batch_size: int = 0
    decoupled: bool = False
    strict: bool = True
    """Outputs must be as they are declared; else numbers are cast, and other names and shapes passed on."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the configuration, in the names of config.pbtxt."""
    hang_timeout_s: float = 0.0
    """What a call, or a step of a generator, may take before it is given up; 0: as long as it takes."""
    warmup: tuple[Mapping[str, Array], ...] = ()
    """Requests that every instance answers before the model is ready; with rows where it has a batch dimension."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidConfiguration(f"a model's name may have letters, digits and . _ - only, not {self.name!r}")
        if self.version < 1:
            raise InvalidConfiguration(f"model '{self.name}': version must be at least 1, not {self.version}")
        if not self.functions or not all(map(callable, self.functions)):
            raise InvalidConfiguration(
                f"model '{self.name}': give a function, or a list of functions, one per instance"
            )
        if not self.hang_timeout_s >= 0:
            raise InvalidConfiguration(f"model '{self.name}': hang_timeout_s must not be negative")
        if self.max_batch_size < 0:
            raise InvalidConfiguration(f"model '{self.name}': max_batch_size must not be negative")
        for tensor in self.outputs:
            if tensor.optional:
                raise InvalidConfiguration(f"model '{self.name}': output '{tensor.name}' cannot be optional")
        if not self.decoupled and any(kind_of(function).is_streaming for function in self.functions):
            raise InvalidConfiguration(f"model '{self.name}': its function is a generator, so it must be decoupled")

    @classmethod
    def of(
        cls,
        name: str,
        function: Function | Sequence[Function],
        inputs: Sequence[Tensor] | None,
        outputs: Sequence[Tensor] | None,
        *,
        instances: int = 1,
        max_batch_size: int | None = None,
        decoupled: bool | None = None,
        **rest: Any,
    ) -> Binding:
        """Make one, reading from the function what is not said. Raises InvalidConfiguration."""
        if unknown := sorted(rest.keys() - _OPTIONS):
            hint = did_you_mean(unknown[0], [*_OPTIONS, "instances", "max_batch_size", "decoupled"])
            raise InvalidConfiguration(f"model '{name}': there is no option '{unknown[0]}'{hint}")
        if not isinstance(name, str):
            raise InvalidConfiguration(f"a model's name must be a string, not {name!r}; the function comes second")
        if not callable(function) and not isinstance(function, list | tuple):
            raise InvalidConfiguration(f"model '{name}': give a function, or a list of functions, not {function!r}")
        functions = (function,) * instances if callable(function) else tuple(function)
        if instances < 1 or (instances > 1 and not callable(function)):
            raise InvalidConfiguration(f"model '{name}': instances is for one function, and at least 1")
        if not functions:
            raise InvalidConfiguration(f"model '{name}': give a function, or a list of functions, one per instance")
        first = functions[0]
        if max_batch_size is None:
            max_batch_size = 0 if "sample" in stages(first) else MAX_BATCH_SIZE
        return cls(
            name,
            functions,
            named(read_inputs(first) if inputs is None else _tensors(name, "inputs", inputs), "INPUT"),
            named(read_outputs(first) if outputs is None else _tensors(name, "outputs", outputs), "OUTPUT"),
            max_batch_size=max_batch_size,
            decoupled=kind_of(first).is_streaming if decoupled is None else decoupled,
            **rest,
        )

    def document(self) -> dict[str, Any]:
        """The model's configuration, as its config.pbtxt would have it."""
        document: dict[str, Any] = {
            "name": self.name,
            "backend": BACKEND,
            "max_batch_size": self.max_batch_size,
            "input": [tensor.document(str(tensor.name)) for tensor in self.inputs],
            "output": [tensor.document(str(tensor.name)) for tensor in self.outputs],
            "version_policy": {"all": {}},
            "instance_group": [{"count": len(self.functions), "kind": "KIND_CPU"}],
        }
        if self.decoupled:
            document["model_transaction_policy"] = {"decoupled": True}
        return document | dict(self.config)

    def instances(self, config: ModelConfig, names: Sequence[str]) -> Instances[InferRequest]:
        """Make an instance of every function. config: the document's, as it is served. names: of the instances."""
        batching = config.dynamic_batching
        model = FunctionModel(
            self.name,
            str(self.version),
            self.inputs,
            self.outputs,
            config.max_batch_size,
            () if batching is None else batching.preferred_batch_sizes,
            self.decoupled,
        )
        made = tuple(_instance(function, model, self) for function in self.functions)
        return Instances(made, names=tuple(names))


def _tensors(name: str, what: str, given: Any) -> Sequence[Tensor]:
    if isinstance(given, list | tuple) and all(isinstance(one, Tensor) for one in given):
        return given
    raise InvalidConfiguration(f"model '{name}': {what} must be a list of Tensor, not {given!r}")


def _instance(function: Function, model: FunctionModel, binding: Binding) -> Any:
    kind, limit_s = kind_of(function), binding.hang_timeout_s
    results = Results(model, kind, strict=binding.strict)
    if kind.is_asynchronous:
        return CoroutineInstance(function, model, results, kind, limit_s)
    if kind is Kind.GENERATOR or model.decoupled:
        return GeneratorInstance(function, model, results, limit_s)
    return PlainInstance(function, model, results, limit_s)


class Bindings:
    """All of one server, by name and version; changed on the thread of whoever binds, read from others."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[int, Binding]] = {}

    def add(self, binding: Binding) -> None:
        """Note one. Raises AlreadyExists for a name and version that has been bound."""
        versions = self._by_name.get(binding.name, {})
        if binding.version in versions:
            raise AlreadyExists(
                f"model '{binding.name}' version {binding.version} is bound already; unbind('{binding.name}') first",
                model=binding.name,
            )
        self._by_name[binding.name] = {**versions, binding.version: binding}

    def remove(self, name: str) -> None:
        """Forget a model, all its versions. Raises NotFound."""
        if self._by_name.pop(name, None) is None:
            raise NotFound(f"no model '{name}' is bound", model=name)

    def discard(self, binding: Binding) -> None:
        """Forget one version, which could not be loaded."""
        left = {number: one for number, one in self._by_name.get(binding.name, {}).items() if one is not binding}
        self._by_name[binding.name] = left
        if not left:
            del self._by_name[binding.name]

    def snapshot(self) -> dict[str, tuple[Binding, ...]]:
        """Everything there is now: each model's versions, ascending."""
        return {
            name: tuple(versions[number] for number in sorted(versions))
            for name, versions in list(self._by_name.items())
        }
