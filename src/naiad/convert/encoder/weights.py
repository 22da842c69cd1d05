"""Read a checkpoint's weights by name: safetensors, in one file or in shards, as float32.

Knows how the same weight is spelled by different writers: with or without the model's prefix, under the wrappers of a
training run (`module.`, `_orig_mod.`, `model.`), `gamma`/`beta` for LayerNorm. Never reads pickle.
Not here: which weights an architecture has (`families/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from naiad.core.errors import LoadFailed
from naiad.core.json_values import shown
from naiad.core.tensor import Array
from naiad.repository.checkpoint import INDEX, SINGLE, inside, read_object
from naiad.repository.checkpoint.safetensors_file import SafetensorsFile

MOST_NAMED = 8
"""Names of weights that an error lists."""

LEGACY_NORM = {".weight": ".gamma", ".bias": ".beta"}
"""How the first BERT checkpoints, converted from TensorFlow, name LayerNorm's parameters."""

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_forward_module"})
"""Parts of names that torch's wrappers put in (data parallel, compiled, sharded); no encoder has a module of the name.
The wrapper `model.` is not among them, because some encoders do: it is told by what stands before the body."""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint; the shard index counts if there is no single file.

    Raises LoadFailed when there is none, or when a shard named by the index is missing.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        raise LoadFailed(
            f"{folder}: no {SINGLE} and no {INDEX}; other weight formats are not read. "
            "Save the model with safe_serialization=True, or put an ONNX file beside it",
            path=str(folder),
        )
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
        raise LoadFailed(f"{index}: weight_map must map the names of weights to the names of files", path=str(index))
    shards = sorted(set(places.values()))
    for shard in shards:
        if Path(shard).name != shard or not inside(folder, shard).is_file():
            raise LoadFailed(f"{folder}: the shard {shown(shard)} named by {INDEX} is missing", path=str(index))
    return [folder / shard for shard in shards]


class Weights:
    """The tensors of a checkpoint, read one at a time; a context manager."""

    def __init__(self, files: list[Path]) -> None:
        self.prefix = ""
        """Before every name of the body; set by `find_body`."""
        self._outer = ""
        """Before the names of heads, where the body's prefix tells that they are wrapped together with it."""
        self._where: dict[str, tuple[SafetensorsFile, str]] = {}
        """Name without wrappers → the open file, and the name as it stands there."""
        self._files = files
        with ExitStack() as opened:
            for file in files:
                self._add(opened.enter_context(SafetensorsFile(file)))
            self._stack = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def count(self) -> int:
        """How many weights there are."""
        return len(self._where)

    @property
    def longest_axis(self) -> int:
        """The largest number in the shape of any weight."""
        return max((max(self.shape(name), default=0) for name in self._where), default=0)

    def respell(self, parts: Mapping[str, str]) -> None:
        """Call weights by other names: each part of a name, as stored → as asked for, one after the other."""
        for part, called in parts.items():
            self._where = {name.replace(part, called): place for name, place in self._where.items()}

    def find_body(self, base: str, anchor: str) -> None:
        """Find the body's prefix, which stands before the anchor, a weight that every such body has.

        base: the usual prefix (`bert`), tried first. Raises LoadFailed without a body.
        """
        self.prefix = self._find_prefix(base, anchor)
        self._outer = self.prefix.removesuffix(f"{base}.")

    def body(self, name: str, *shape: int) -> Array:
        """A weight of the encoder itself, by its name below the prefix. Float32. Raises LoadFailed by name."""
        return self.get(self.prefix + name, *shape)

    def get(self, name: str, *shape: int) -> Array:
        """A weight by its full name, of exactly this shape. Float32. Raises LoadFailed by name."""
        found = self.find(name)
        if found is None:
            raise LoadFailed(
                f"{self._files[0]}: the weight {name} is missing; the checkpoint does not fit its config.json or task"
                + self._others(name),
                weight=name,
            )
        array = self._read(found)
        if array.shape != shape:
            raise LoadFailed(
                f"{self._files[0]}: the weight {found} has shape {array.shape}, not {shape} as config.json says",
                weight=found,
            )
        return array

    def stored(self, name: str) -> Array:
        """A weight by its full name in the type that it is stored in. Raises LoadFailed by name."""
        found = self.find(name)
        if found is None:
            raise LoadFailed(f"{self._files[0]}: the weight {name} is missing", weight=name)
        file, stored = self._where[found]
        return file.read(stored)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a weight by its full name. Raises LoadFailed by name."""
        found = self.find(name)
        if found is None:
            raise LoadFailed(
                f"{self._files[0]}: the weight {name} is missing; set another task{self._others(name)}", weight=name
            )
        file, stored = self._where[found]
        return file.shape(stored)

    def find(self, name: str) -> str | None:
        """The name under which the checkpoint holds this weight, wrappers left out; or None."""
        for full in (name, self._outer + name) if self._outer else (name,):
            if full in self._where:
                return full
            for modern, legacy in LEGACY_NORM.items():
                spelled = full.removesuffix(modern) + legacy
                if full.endswith(modern) and spelled in self._where:
                    return spelled
        return None

    def _others(self, name: str) -> str:
        """What there is outside the body, for the error about a head's weight that is missing."""
        if self.prefix and name.startswith(self.prefix):
            return ""
        others = sorted(known for known in self._where if not known.startswith(self.prefix))
        shown = ", ".join(others[:MOST_NAMED]) + (" …" if len(others) > MOST_NAMED else "")
        return f"; outside the body it has {shown or 'nothing'}" if self.prefix else ""

    def _add(self, file: SafetensorsFile) -> None:
        for stored in file.names():
            name = ".".join(part for part in stored.split(".") if part not in WRAPPERS)
            if name in self._where:
                raise LoadFailed(
                    f"{file.path}: holds the weight {name} twice, as {self._where[name][1]} and as {stored}",
                    path=str(file.path),
                )
            self._where[name] = (file, stored)

    def _read(self, name: str) -> Array:
        file, stored = self._where[name]
        kind = file.kind(stored)
        if kind not in {"F32", "F16", "F64", "BF16"}:
            raise LoadFailed(f"{self._files[0]}: the weight {name} is {kind}; F32, F16 and BF16 are read", weight=name)
        return file.read(stored).astype(np.float32, copy=False)

    def _find_prefix(self, base: str, anchor: str) -> str:
        prefixes = [name.removesuffix(anchor) for name in self._where if name.endswith(anchor)]
        for usual in (f"{base}.", ""):
            if usual in prefixes:
                return usual
        if len(prefixes) == 1:
            return prefixes[0]
        raise LoadFailed(
            f"{self._files[0]}: "
            + (f"several bodies, under {', '.join(prefixes)}" if prefixes else f"no weight ends with {anchor}")
            + "; this is not a checkpoint of one such encoder",
            path=str(self._files[0]),
        )
