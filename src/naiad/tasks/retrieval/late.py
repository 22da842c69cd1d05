"""late-interaction: one vector for each token (ColBERT). Served together with `NAME.ranking`.

    inputs   text        BYTES [n]
    outputs  counts      INT64 [n]          how many vectors each text has
             embedding   FP32  [t, width]   text after text

    parameters and options
        input_type   query or document: how the texts are marked, cut and expanded, and which of their tokens have a
                     vector; default document
        prompt       what to put before each text instead of the checkpoint's own marker; "" for nothing

MaxSim compares two texts: the sum, over the query's vectors, of the largest product with one of the document's.
`NAME.ranking` computes it (text-ranking). Equal to sentence-transformers' MultiVectorEncoder, also for checkpoints of
PyLate and Stanford's ColBERT.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.parameters import Parameters, one_of, text
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.retrieval.late_settings import read_late_settings
from naiad.tasks.retrieval.late_tokens import LateTokens
from naiad.tasks.strings import read_texts


class LateInteractionTask:
    """Texts to vectors of tokens."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed or Unsupported for bad files."""
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("counts", "INT64", (-1,)),
            TensorConfig("embedding", "FP32", (-1, parts.width("embedding"))),
        )
        self._tokens = LateTokens(read_late_settings(parts.checkpoint), parts.tokenizer)
        specs = [one_of("input_type", "document", ("query", "document")), text("prompt", None)]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        rows = self._tokens.encode(read_texts(request, "text"), parameters["input_type"], parameters["prompt"])
        counts = [row.counts for row in rows]
        return Preparation([row.text for row in rows], counts, sum(row.is_cut for row in rows))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Leave out the tokens that do not count."""
        kept = [result["embedding"][counts] for result, counts in zip(results, preparation.state, strict=True)]
        tensors = (
            Tensor("counts", "INT64", np.array([len(vectors) for vectors in kept], np.int64)),
            Tensor("embedding", "FP32", np.concatenate(kept)),
        )
        return respond(request, preparation, tensors)
