"""The raw-tensor view of an encoder: from token ids to the graph's own outputs. Served as `NAME.tensors`.

    inputs   input_ids        INT64 or INT32 [batch, longest]
             attention_mask   INT64 or INT32 [batch, longest]   optional: 1 for tokens, 0 for padding; default: all 1
             token_type_ids   INT64 or INT32 [batch, longest]   optional; default: all 0
    outputs  what the encoder computes: embedding [batch, width], last_hidden_state [batch, longest, width], logits
             [batch, labels], [batch, longest, labels] or [batch, longest, vocabulary]; for question answering
             start_logits and end_logits [batch, longest]; all FP32

Padding is removed before the run and restored as zeros after it, so a padded request costs no more than its tokens.
Only the outputs that the request lists are computed. Nothing is cut: a row longer than the model's maximum is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderOutput, EncoderResult, EncoderSpec, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.json_values import LARGEST, is_whole
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.response import respond

ANSWER_HEAD = "question-answering"
"""The head whose two logits have names of their own, as in other exports of such models."""

ANSWER_OUTPUTS = ("start_logits", "end_logits")


@dataclass(frozen=True, slots=True)
class _Asked:
    mask: Array
    """(batch, longest) bool: where tokens are."""


class TensorsTask:
    """Token ids to the encoder's outputs."""

    def __init__(self, checkpoint: Checkpoint, spec: EncoderSpec) -> None:
        """Make the view; vocabulary sizes for checking ids come from config.json, where it has them."""
        self.name = "tensors"
        self.max_tokens = spec.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("input_ids", "INT64", (-1, -1)),
            TensorConfig("attention_mask", "INT64", (-1, -1), optional=True),
            TensorConfig("token_type_ids", "INT64", (-1, -1), optional=True),
        )
        self.outputs = tuple(tensor for output in spec.outputs for tensor in _declare(spec.head, output))
        self._spec = spec
        self._granularity = {output.name: output.granularity for output in spec.outputs}
        self._vocabulary = _size(checkpoint, "vocab_size")
        self._types = _size(checkpoint, "type_vocab_size") if spec.uses_type_ids else 0

    def prepare(self, request: InferRequest) -> Preparation:
        """Drop the padding. Raises InvalidRequest."""
        ids = _read(request, "input_ids", self._vocabulary)
        mask = _read(request, "attention_mask", 2) if "attention_mask" in request.inputs else np.ones_like(ids)
        types = _read(request, "token_type_ids", self._types) if "token_type_ids" in request.inputs else None
        for name, other in (("attention_mask", mask), ("token_type_ids", types)):
            if other is not None and other.shape != ids.shape:
                raise InvalidRequest(
                    f"'{name}' has shape {list(other.shape)}, 'input_ids' {list(ids.shape)}: they must be the same",
                    input=name,
                )
        present = mask.astype(np.bool_)
        self._check_lengths(present.sum(axis=1))
        wanted = self._wanted(request)
        tokenized = [
            self._sequence(ids[row][present[row]], None if types is None else types[row][present[row]], wanted)
            for row in range(len(ids))
        ]
        return Preparation(tokenized, _Asked(present))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Put the padding back."""
        asked: _Asked = preparation.state
        tensors: list[Tensor] = []
        for name in self._wanted(request):
            values = [result[name] for result in results]
            if self._granularity[name] == "item":
                tensors.append(Tensor(name, "FP32", np.stack(values)))
                continue
            padded = np.zeros((*asked.mask.shape, values[0].shape[-1]), np.float32)
            padded[asked.mask] = np.concatenate(values)
            if self._spec.head == ANSWER_HEAD and name == "logits":
                columns = (np.ascontiguousarray(padded[..., column]) for column in (0, 1))
                tensors.extend(Tensor(part, "FP32", data) for part, data in zip(ANSWER_OUTPUTS, columns, strict=True))
            else:
                tensors.append(Tensor(name, "FP32", padded))
        return respond(request, preparation, tensors)

    def _wanted(self, request: InferRequest) -> tuple[str, ...]:
        """The encoder's outputs that the request needs."""
        asked = {output.name for output in request.outputs} or {tensor.name for tensor in self.outputs}
        if self._spec.head == ANSWER_HEAD and asked.intersection(ANSWER_OUTPUTS):
            asked = {"logits"}
        return tuple(name for name in self._granularity if name in asked)

    def _sequence(self, ids: Array, types: Array | None, wanted: tuple[str, ...]) -> TextTokens:
        needs_rows = any(self._granularity[name] == "row" for name in wanted)
        return TextTokens(
            ids, wanted, types if self._spec.uses_type_ids else None, np.arange(len(ids)) if needs_rows else None
        )

    def _check_lengths(self, lengths: Array) -> None:
        for index, length in enumerate(lengths.tolist()):
            if not 0 < length <= self._spec.max_tokens:
                raise InvalidRequest(
                    f"row {index} of 'input_ids' has {length} tokens, 1 to {self._spec.max_tokens} are expected",
                    element=index,
                )


def _declare(head: str, output: EncoderOutput) -> list[TensorConfig]:
    if head == ANSWER_HEAD and output.name == "logits":
        return [TensorConfig(name, "FP32", (-1, -1)) for name in ANSWER_OUTPUTS]
    dims = (-1, output.width) if output.granularity == "item" else (-1, -1, output.width)
    return [TensorConfig(output.name, "FP32", dims)]


def _read(request: InferRequest, name: str, limit: int) -> Array:
    """An input of whole numbers from zero to below `limit` (0 = any) as int64. Raises InvalidRequest."""
    tensor = request.inputs.get(name)
    if tensor is None:
        raise InvalidRequest(f"input '{name}' is missing: send it as INT64 with shape [batch, tokens]", input=name)
    if tensor.datatype not in ("INT64", "INT32"):
        raise InvalidRequest(f"input '{name}' is {tensor.datatype}, INT64 or INT32 is expected", input=name)
    data = tensor.data
    if data.ndim != 2 or data.size == 0:
        raise InvalidRequest(
            f"input '{name}' has shape {list(data.shape)}, [batch, tokens] with at least one of each is expected",
            input=name,
        )
    if data.min() < 0 or (limit and data.max() >= limit):
        upper = f" to {limit - 1}" if limit else " or more"
        raise InvalidRequest(f"input '{name}' has values from {data.min()} to {data.max()}, 0{upper} is expected")
    return data.astype(np.int64, copy=False)


def _size(checkpoint: Checkpoint, key: str) -> int:
    value = checkpoint.config.get(key)
    return value if is_whole(value) and abs(value) <= LARGEST else 0
