"""What graphs of text encoders that somebody else exported take and give: pad, cut, pool.

Such graphs take `input_ids` and `attention_mask` of batch x longest. Pooling is done here where the graph stops at
token states. Batching by length, so that little is padded, is the scheduler's part. Not here: graphs of our own builder
(`packed.py`), what a folder says of its model and which output means what (`naiad.convert.onnx_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from naiad.backends.onnxruntime.encoders.objections import objection
from naiad.backends.onnxruntime.encoders.rectangle import Rectangle
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.pooling import normalized, pool
from naiad.core.encoding.ports import Ports
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array


class PaddedForm:
    """A Form of tokenized texts: all in one run, or each in its own where the graph wants that."""

    def __init__(self, files: EncoderFiles, ports: Ports) -> None:
        """Raise LoadFailed where it is no text encoder."""
        ports.check_text(files.graph, files.constants)
        self._files = files
        self._ports = ports

    def objection(self, item: TextTokens) -> InvalidRequest | None:
        """See Form."""
        return objection(item, self._files.spec)

    def gather(self, items: Sequence[TextTokens]) -> list[_Padded]:
        """See Form."""
        groups = [[item] for item in items] if self._files.spec.runs_alone else [items]
        return [_Padded(group, self._files, self._ports) for group in groups]


class _Padded:
    """See Gathered."""

    def __init__(self, items: Sequence[TextTokens], files: EncoderFiles, ports: Ports) -> None:
        self._items = items
        self._spec = files.spec
        self._sources = {output.name: files.sources.get(output.name, (output.name,)) for output in files.spec.outputs}
        self._granularity = {output.name: output.granularity for output in files.spec.outputs}
        self._rectangle = Rectangle(items, files, ports)
        self.names = sorted({source for item in items for output in item.outputs for source in self._sources[output]})
        self.size = f"{self._rectangle.shape} padded tokens"

    def feeds(self) -> Mapping[str, Array]:
        return self._rectangle.feeds()

    def split(self, arrays: Mapping[str, Array]) -> list[EncoderResult]:
        return [
            {name: self._output(name, item, self._row(name, number, arrays)) for name in item.outputs}
            for number, item in enumerate(self._items)
        ]

    def _row(self, name: str, number: int, arrays: Mapping[str, Array]) -> Array:
        """What the graph says of one text, with its padding."""
        rows = [arrays[source][number] for source in self._sources[name]]
        return rows[0] if len(rows) == 1 else np.stack(rows, axis=-1)

    def _output(self, name: str, item: TextTokens, array: Array) -> Array:
        """One output of one text, without its padding."""
        granularity = self._granularity[name]
        if granularity != "item":
            array = _by_token(array, self._rectangle.shape[1])
            rows: Array = array[: item.tokens] if granularity == "token" else array[_rows(item)]
            return rows
        if name != "embedding":
            return np.atleast_1d(array)
        if self._spec.pooling != "none":
            array = pool(array[: item.tokens], self._spec.pooling, item.prompt_tokens)
        return normalized(array) if self._spec.normalize else array


def _by_token(array: Array, padded: int) -> Array:
    """One row for each token: a number alone becomes a row, and tokens that are left out in front get zeros."""
    if array.ndim == 1:
        array = array[:, None]
    missing = padded - len(array)
    return np.concatenate([np.zeros((missing, *array.shape[1:]), np.float32), array]) if missing > 0 else array


def _rows(item: TextTokens) -> Array:
    return np.zeros(0, np.int64) if item.rows is None else item.rows
