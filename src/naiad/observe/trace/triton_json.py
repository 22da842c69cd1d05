"""Traces as Triton writes them: JSON arrays of entries, in one file or in numbered ones.

The file without a number is whole after every write: what comes is written over its closing bracket. Numbered files
appear complete.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from naiad.core.tensor import Tensor
from naiad.core.trace import Trace
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.writer import Picked

NS = 1_000_000_000

MOST_KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of traces kept for the next numbered file; past it they are written, fewer to a file than asked for. The number
asked for comes over the network and may be four billion."""


def render(trace: Trace, level: tuple[str, ...]) -> bytes:
    """Return a trace's entries, joined by commas, in the order of time."""
    entries = [_head(trace)]
    if "TIMESTAMPS" in level:
        entries += _timestamps(trace)
    entries += [_activity(trace.id, activity, tensor) for activity, tensor in trace.tensors]
    return orjson.dumps(entries)[1:-1]


def model_version(trace: Trace) -> int | str:
    """Return the version as a number, as in Triton; -1 = none was named."""
    version = trace.model_version
    return int(version) if version.isdecimal() else version or -1


def _head(trace: Trace) -> dict[str, Any]:
    head = {"id": trace.id, "model_name": trace.model_name, "model_version": model_version(trace)}
    if trace.request_id:
        head["request_id"] = trace.request_id
    if trace.parent_id:
        head["parent_id"] = trace.parent_id
    return head


def _timestamps(trace: Trace) -> Iterable[dict[str, Any]]:
    for name, time_s in sorted(trace.moments, key=lambda moment: moment[1]):
        yield {"id": trace.id, "timestamps": [{"name": name, "ns": int(time_s * NS)}]}


def _activity(trace_id: int, activity: str, tensor: Tensor) -> dict[str, Any]:
    described = {
        "name": tensor.name,
        "data": ",".join(_elements(tensor)),
        "shape": ",".join(map(str, tensor.shape)),
        "dtype": tensor.datatype,
    }
    return {"id": trace_id, "activity": activity, "tensor": described}


def _elements(tensor: Tensor) -> Iterable[str]:
    """Print as a C++ stream does: six significant digits, booleans as 0 and 1; strings in quotes."""
    data = tensor.data.reshape(-1)
    if tensor.datatype == "BF16":  # the upper half of a float32
        data = (data.astype(np.uint32) << 16).view(np.float32)
    values = data.tolist()
    if tensor.datatype == "BYTES":
        return (f'"{value.decode(errors="backslashreplace")}"' for value in values)
    if tensor.datatype.startswith("FP") or tensor.datatype == "BF16":
        return (f"{value:g}" for value in values)
    return (str(int(value)) for value in values)


class TritonFiles:
    """The sink of Triton's mode."""

    def __init__(self, path: Path, most_bytes: int = MOST_KEPT_BYTES) -> None:
        """path: of the file without a number; one from an earlier run is replaced by the first trace."""
        self._path = path
        self._most_bytes = most_bytes
        self._end = 0
        """Where the next entry is written: over the closing bracket; 0 = nothing has been written."""
        self._number = 0
        """Number of the next file."""
        self._kept: dict[Sampler, list[bytes]] = {}
        """Samplers that write numbered files → traces that do not fill one yet."""
        self._kept_bytes = 0

    def write(self, traces: Sequence[Picked]) -> None:
        """See `Sink.write`."""
        plain: list[bytes] = []
        for sampler, trace in traces:
            text = render(trace, sampler.values.level)
            if sampler.values.log_frequency:
                self._keep(sampler, text)
            else:
                plain.append(text)
        if plain:
            self._append(b",".join(plain))

    def release(self, sampler: Sampler) -> None:
        """See `Sink.release`."""
        if kept := self._kept.pop(sampler, None):
            self._kept_bytes -= sum(map(len, kept))
            self._write_numbered(kept)

    def close(self) -> None:
        """See `Sink.close`."""
        for sampler in list(self._kept):
            self.release(sampler)

    def _keep(self, sampler: Sampler, text: bytes) -> None:
        kept = self._kept.setdefault(sampler, [])
        kept.append(text)
        self._kept_bytes += len(text)
        if len(kept) >= sampler.values.log_frequency:
            self.release(sampler)
        elif self._kept_bytes > self._most_bytes:
            self.close()

    def _append(self, text: bytes) -> None:
        if not self._end:
            _replace(self._path, b"[" + text + b"]")
            self._end = len(text) + 1
            return
        with self._path.open("r+b", buffering=0) as file:
            try:
                _write_all(file, self._end, b"," + text + b"]")
            except OSError:  # the disk may be full: go back to what was whole
                file.truncate(self._end)
                _write_all(file, self._end, b"]")
                raise
        self._end += len(text) + 1

    def _write_numbered(self, texts: list[bytes]) -> None:
        path = self._path.with_name(f"{self._path.name}.{self._number}")
        self._number += 1
        _replace(path, b"[" + b",".join(texts) + b"]")


def _write_all(file: io.FileIO, offset: int, content: bytes) -> None:
    file.seek(offset)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
