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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoder import EncoderResult, TokenSequence
from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model_config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.parameters import Parameters, flag, text, text_list
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import check_names, respond
from naiad.tasks.scores import best, softmax
from naiad.tasks.text.strings import read_optional_texts, read_texts, text_array

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
            TensorConfig("candidate_labels", "BYTES", (-1,), optional=True),
        )
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("label", "BYTES", (-1,)),
            TensorConfig("score", "FP32", (-1,)),
            TensorConfig("labels", "BYTES", (-1, -1)),
            TensorConfig("scores", "FP32", (-1, -1)),
        )
        self._tokenizer = parts.tokenizer
        self._entailment = entailment
        self._contradiction = width - 1 if entailment == 0 else 0
        specs = [
            text("hypothesis_template", "This example is {}."),
            flag("multi_label", False),
            text_list("candidate_labels", ()),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise each text with each label's hypothesis. Raises InvalidRequest."""
        check_names(request, self.inputs, self.outputs)
        parameters = self._parameters.of(request.parameters)
        texts = read_texts(request, "text")
        labels = _labels(request, parameters)
        if len(texts) * len(labels) > MAX_PAIRS:
            raise InvalidRequest(
                f"{len(texts)} texts times {len(labels)} candidate labels are more than {MAX_PAIRS} pairs; send fewer"
            )
        hypotheses = _hypotheses(parameters["hypothesis_template"], labels)
        pairs = [(text, hypothesis) for text in texts for hypothesis in hypotheses]
        rows = self._tokenizer.encode_pairs(pairs, "first")
        sequences = [TokenSequence(row.ids, WANTED, row.type_ids) for row in rows]
        cut = sum(any(row.is_cut for row in rows[i : i + len(labels)]) for i in range(0, len(rows), len(labels)))
        return Preparation(sequences, _Asked(labels, len(texts), parameters["multi_label"]), cut)

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
        tensors = (
            Tensor("label", "BYTES", labels[:, 0]),
            Tensor("score", "FP32", scores[:, 0]),
            Tensor("labels", "BYTES", labels),
            Tensor("scores", "FP32", scores),
        )
        return respond(request, preparation, tensors)


def _labels(request: InferRequest, parameters: Mapping[str, Any]) -> list[str]:
    labels = read_optional_texts(request, "candidate_labels")
    if labels is None:
        labels = list(parameters["candidate_labels"])
    if not labels:
        raise InvalidRequest("input 'candidate_labels' is missing: send at least one label as BYTES with shape [m]")
    return labels


def _hypotheses(template: str, labels: list[str]) -> list[str]:
    """The template with each label in it; no other formatting is understood, because the template is a caller's."""
    if template.count("{}") != 1:
        raise InvalidRequest(f"parameter 'hypothesis_template' is {template!r}: it needs {{}} once, for the label")
    return [template.replace("{}", label) for label in labels]
