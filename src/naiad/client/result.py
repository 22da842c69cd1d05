"""What a model answered: its outputs by name, and the little that comes with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.core.message import Parameter


@dataclass(frozen=True, slots=True, repr=False)
class Result(Mapping[str, Any]):
    """The outputs of one inference: a mapping, and by attribute where the name allows: `result.embedding`.

    Values are numpy arrays; text is an object array of `str` (of `bytes` where it is not UTF-8). For one value sent
    alone ("hello", not ["hello"]) the batch dimension is left out: an embedding is (width,), a label a plain `str`.
    """

    outputs: Mapping[str, Any]
    model_name: str
    model_version: str
    id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """What the model says about this answer, such as how many texts were truncated."""

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self.outputs:
            return self.outputs[name]
        raise AttributeError(f"model '{self.model_name}' returned no output '{name}'; it returned {self._names}")

    @property
    def value(self) -> Any:
        """The only output. Raises ValueError where there are several."""
        if len(self.outputs) != 1:
            raise ValueError(f"model '{self.model_name}' returned {self._names}; name the one you want")
        return next(iter(self.outputs.values()))

    @property
    def _names(self) -> str:
        return ", ".join(self.outputs) or "nothing"

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_brief(value)}" for name, value in self.outputs.items())
        return f"Result({self.model_name}/{self.model_version}: {shown})"


def _brief(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"{value.dtype}{list(shape)}"
