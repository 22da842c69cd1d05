"""zero-shot-classification: your own labels for texts, best first.

    inputs   text               BYTES [n]
             candidate_labels   BYTES [m]      optional if the parameter of the same name is set
    outputs  label              BYTES [n]      the best label
             score              FP32  [n]      its score
             labels             BYTES [n, m]   labels, best first
             scores             FP32  [n, m]   their scores

    parameters and options
        hypothesis_template   a sentence with {} where the label goes; default "This example is {}."
        multi_label           true: score each label on its own (entailment, contradiction); false: they add up to one
        candidate_labels      separated by commas or as a JSON array; for callers and options without the input

Runs n times m pairs through a classifier trained on entailment; only the text is cut, never the hypothesis. Scores
equal those of transformers' pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.tasks.labels import CANDIDATES, LABEL_OUTPUTS, label_tensors, read_candidates, read_hypotheses
from naiad.tasks.parameters import Parameters, flag, text, text_list
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.scores import best, softmax
from naiad.tasks.strings import read_texts, text_array

WANTED = ("logits",)

MAX_PAIRS = 10_000
"""Pairs that one request may ask for: two short inputs multiply."""


@dataclass(frozen=True, slots=True)
class _Asked:
    labels: list[str]
    texts: int
    multi_label: bool


class ZeroShotTask:
    """Texts to labels that the caller brings."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options or a classifier that knows no entailment."""
        width, entailment = parts.width("logits"), parts.checkpoint.entailment_id
        if entailment is None or entailment >= width:
            labels = ", ".join(parts.checkpoint.labels(width))
            raise InvalidConfiguration(
                f"task '{parts.name}' needs a label that begins with 'entail' in config.json; the labels are: {labels}"
            )
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("text", "BYTES", (-1,)),
            TensorConfig(CANDIDATES, "BYTES", (-1,), optional=True),
        )
        self.outputs = LABEL_OUTPUTS
        self._tokenizer = parts.tokenizer
        self._entailment = entailment
        self._contradiction = width - 1 if entailment == 0 else 0
        specs = [
            text("hypothesis_template", "This example is {}."),
            flag("multi_label", False),
            text_list(CANDIDATES, ()),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise each text with each label's hypothesis. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        texts = read_texts(request, "text")
        labels = read_candidates(request, parameters)
        if len(texts) * len(labels) > MAX_PAIRS:
            raise InvalidRequest(
                f"{len(texts)} texts times {len(labels)} candidate labels are more than {MAX_PAIRS} pairs; send fewer"
            )
        hypotheses = read_hypotheses(parameters, labels)
        pairs = [(text, hypothesis) for text in texts for hypothesis in hypotheses]
        rows = self._tokenizer.encode_pairs(pairs, "first")
        tokenized = [TextTokens(row.ids, WANTED, row.type_ids) for row in rows]
        cut = sum(any(row.is_cut for row in rows[i : i + len(labels)]) for i in range(0, len(rows), len(labels)))
        return Preparation(tokenized, _Asked(labels, len(texts), parameters["multi_label"]), cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Score the labels of each text and sort them."""
        asked: _Asked = preparation.state
        logits = np.stack([result["logits"] for result in results]).reshape(asked.texts, len(asked.labels), -1)
        if asked.multi_label or len(asked.labels) == 1:
            scores = softmax(logits[..., [self._contradiction, self._entailment]])[..., 1]
        else:
            scores = softmax(logits[..., self._entailment])
        order, scores = best(scores, len(asked.labels))
        labels = text_array(asked.labels)[order]
        return respond(request, preparation, label_tensors(labels, scores))
