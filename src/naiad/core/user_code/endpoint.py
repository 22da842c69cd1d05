"""An endpoint as ClearML-Serving has it: a class `Preprocess` in front of a model, or alone, under a URL of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENGINES = ("triton", "custom", "custom_async", "sklearn", "xgboost", "lightgbm")
"""`triton` runs a model of this server, whatever its backend; the others run in the endpoint's own workers."""

SUFFIX = ".serve"
"""An endpoint is a model of the server by its name with this behind it, so that it may be called as its model is."""

BODY = "BODY"
"""The tensor of bytes that it takes, and that it gives."""

IS_JSON, CHAIN = "json", "endpoint_chain"
"""Parameters of its requests: the body is JSON; names of the endpoints whose `send_request` led to it."""

BETWEEN = " > "
"""The names of a chain."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A custom statistic: what `metrics add` declares."""

    kind: str
    """scalar (a histogram), enum, value (a gauge), counter."""
    buckets: tuple[float, ...] = ()
    """Upper bounds, ascending; of a scalar."""
    words: tuple[str, ...] = ()
    """Of an enum."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """What an endpoint says of its model's inputs, or of its outputs; nothing: the model's own configuration counts."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """As numpy calls them."""
    sizes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One version of one endpoint."""

    name: str
    code: Path
    """A file, or a folder with `__init__.py`."""
    engine: str = "triton"
    version: int = 0
    """0: it has none, and is reached by its name alone."""
    model: str = ""
    """Of this server; engine triton."""
    model_version: str = ""
    model_file: Path | None = None
    """A file or folder: what `load` is given, and what the engines load that run in its workers."""
    workers: int = 1
    concurrency: int = 0
    """Requests that a worker has under way at the same time; 0: 16 where it may wait, else 1."""
    environment: Path | None = None
    """A requirements.txt, a folder of an environment, or an archive of one; None: the server's Python."""
    inputs: Tensors = Tensors()
    outputs: Tensors = Tensors()
    log_freq: float = 1.0
    """Share of the requests whose statistics are collected."""
    variables: Mapping[str, Variable] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the code lies."""
        return self.code if self.code.is_dir() else self.code.parent

    @property
    def model_name(self) -> str:
        """Its name as a model of the server."""
        return self.name + SUFFIX

    @property
    def url(self) -> str:
        """As ClearML writes it: `name`, or `name/version`."""
        return f"{self.name}/{self.version}" if self.version else self.name

    @property
    def capacity(self) -> int:
        """Requests that a worker has under way at the same time.

        Hooks run one at a time; further requests are of use while others wait for a model.
        """
        return self.concurrency or (16 if self.engine in ("triton", "custom_async") else 1)
