"""text-ranking: how well each document answers a query (a cross-encoder).

    inputs   query       BYTES [1] or [n]   one for all documents, or one each
             documents   BYTES [n]
    outputs  score       FP32  [n]          in the order of the documents
             index       INT64 [k]          numbers of the documents, best first

    parameters and options
        top_k               how many documents `index` lists (k); default: all
        function_to_apply   sigmoid, none, tanh, or default: the checkpoint's, else sigmoid
        prompt_name         name of one of the checkpoint's prompts, put before each query; default: the checkpoint's
        prompt              the prompt itself; "" for none

The default function is that of sentence-transformers' CrossEncoder, wherever its version writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.activation import default_function
from naiad.tasks.parameters import Parameters, one_of, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.prompts import Prompts
from naiad.tasks.response import respond
from naiad.tasks.scores import apply_function
from naiad.tasks.strings import read_texts

WANTED = ("logits",)

RANKING_INPUTS: tuple[TensorConfig, ...] = (
    TensorConfig("query", "BYTES", (-1,)),
    TensorConfig("documents", "BYTES", (-1,)),
)
RANKING_OUTPUTS: tuple[TensorConfig, ...] = (
    TensorConfig("score", "FP32", (-1,)),
    TensorConfig("index", "INT64", (-1,)),
)


class RankingTask:
    """A query and documents to scores."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options or a classifier with more than one logit."""
        if parts.width("logits") != 1:
            raise InvalidConfiguration(
                f"task '{parts.name}' needs a classifier with one logit, this one has {parts.width('logits')}; "
                "use 'text-classification' with the input 'text_pair'"
            )
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs, self.outputs = RANKING_INPUTS, RANKING_OUTPUTS
        self._tokenizer = parts.tokenizer
        functions = ("default", "sigmoid", "none", "tanh")
        self._prompts = Prompts(parts.checkpoint)
        specs = [whole_number("top_k", None), one_of("function_to_apply", "default", functions)]
        specs += self._prompts.specs(kinds=False)
        self._parameters = Parameters(parts.name, specs, parts.options)
        function = self._parameters.of({})["function_to_apply"]
        if function == "default":
            function = "none" if parts.spec.gives_shares else default_function(parts.checkpoint, 1, ranks=True)
        self._default_function = function

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise the query with each document. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        queries, documents = read_ranked(request)
        prompt = self._prompts.chosen(parameters)
        queries = [prompt + query for query in queries]
        if len(queries) == 1:
            queries *= len(documents)
        rows = self._tokenizer.encode_pairs(list(zip(queries, documents, strict=True)), "longest")
        tokenized = [TextTokens(row.ids, WANTED, row.type_ids) for row in rows]
        return Preparation(tokenized, parameters, sum(row.is_cut for row in rows))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Score the documents and order them."""
        parameters = preparation.state
        function = parameters["function_to_apply"]
        logits = np.concatenate([result["logits"] for result in results])
        scores = apply_function(self._default_function if function == "default" else function, logits)
        return respond(request, preparation, ranking_tensors(scores, logits, parameters["top_k"]))


def read_ranked(request: InferRequest) -> tuple[list[str], list[str]]:
    """The queries and the documents. Raises InvalidRequest for neither one query nor one each."""
    queries, documents = read_texts(request, "query"), read_texts(request, "documents")
    if len(queries) not in (1, len(documents)):
        raise InvalidRequest(
            f"'query' has {len(queries)} elements and 'documents' {len(documents)}: send one query, or one each"
        )
    return queries, documents


def ranking_tensors(scores: Array, order_by: Array, top_k: int | None) -> tuple[Tensor, Tensor]:
    """The outputs for scores (n,) and what orders them, the highest first."""
    order = np.argsort(-order_by, kind="stable")[:top_k].astype(np.int64)
    return Tensor("score", "FP32", scores), Tensor("index", "INT64", order)
