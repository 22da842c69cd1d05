"""text-ranking by late interaction: a query and documents in, how well each document answers the query out.

The inputs and outputs of `ranking.py`, for checkpoints that give a vector for each token (`late.py`): a document's
score is its MaxSim with the query, or the mean of it where the checkpoint's similarity_fn_name says so. The query is
encoded once, whatever the number of documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array
from naiad.tasks.parameters import Parameters, one_of, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.retrieval.late_settings import read_late_settings
from naiad.tasks.retrieval.late_tokens import LateTokens
from naiad.tasks.text.ranking import RANKING_INPUTS, RANKING_OUTPUTS, ranking_tensors, read_ranked

NOTHING_IN_COMMON = -1e9
"""Score of a text without any vectors; sentence-transformers has the same."""


@dataclass(frozen=True, slots=True)
class _Asked:
    top_k: int | None
    counts: list[Array]
    """Which tokens of each text have a vector; the queries come first."""
    queries: int


class MaxSimTask:
    """A query and documents to scores."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed or Unsupported for bad files."""
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs, self.outputs = RANKING_INPUTS, RANKING_OUTPUTS
        settings = read_late_settings(parts.checkpoint)
        self._is_mean = settings.is_mean
        self._tokens = LateTokens(settings, parts.tokenizer)
        specs = [whole_number("top_k", None), one_of("function_to_apply", "default", ("default", "none"))]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise the query and the documents. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        queries, documents = read_ranked(request)
        rows = [*self._tokens.encode(queries, "query"), *self._tokens.encode(documents, "document")]
        asked = _Asked(parameters["top_k"], [row.counts for row in rows], len(queries))
        cut = sum(row.is_cut for row in rows[len(queries) :])
        return Preparation([row.text for row in rows], asked, cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Compare and order."""
        asked: _Asked = preparation.state
        kept = [result["embedding"][counts] for result, counts in zip(results, asked.counts, strict=True)]
        queries, documents = kept[: asked.queries], kept[asked.queries :]
        if len(queries) == 1:
            queries = queries * len(documents)
        pairs = zip(queries, documents, strict=True)
        scores = np.array([maxsim(query, document, mean=self._is_mean) for query, document in pairs], np.float32)
        return respond(request, preparation, ranking_tensors(scores, scores, asked.top_k))


def maxsim(query: Array, document: Array, *, mean: bool = False) -> float:
    """Sum, or mean, over the query's vectors of the largest product with one of the document's."""
    if not len(query) or not len(document):
        return NOTHING_IN_COMMON
    largest = (query @ document.T).max(axis=1)
    return float(largest.mean() if mean else largest.sum())
