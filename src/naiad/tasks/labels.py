"""What tasks that give labels have in common: the outputs, and labels that the caller brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.strings import read_optional_texts

LABEL_OUTPUTS: tuple[TensorConfig, ...] = (
    TensorConfig("label", "BYTES", (-1,)),
    TensorConfig("score", "FP32", (-1,)),
    TensorConfig("labels", "BYTES", (-1, -1)),
    TensorConfig("scores", "FP32", (-1, -1)),
)

CANDIDATES = "candidate_labels"
"""Name of the input and of the parameter."""

MAX_CANDIDATES = 10_000
"""Labels that one request may bring."""


def label_tensors(labels: Array, scores: Array) -> list[Tensor]:
    """The outputs for labels (n, k) BYTES and their scores (n, k), best first."""
    return [
        Tensor("label", "BYTES", labels[:, 0]),
        Tensor("score", "FP32", scores[:, 0]),
        Tensor("labels", "BYTES", labels),
        Tensor("scores", "FP32", scores),
    ]


def read_candidates(request: InferRequest, parameters: Mapping[str, Any]) -> list[str]:
    """The caller's labels, from the input or the parameter. Raises InvalidRequest for none and for too many."""
    labels = read_optional_texts(request, CANDIDATES)
    if labels is None:
        labels = list(parameters[CANDIDATES])
    if not labels:
        raise InvalidRequest(f"input '{CANDIDATES}' is missing: send at least one label as BYTES with shape [m]")
    if len(labels) > MAX_CANDIDATES:
        raise InvalidRequest(f"there are {len(labels)} candidate labels; send {MAX_CANDIDATES} at most")
    return labels


def read_hypotheses(parameters: Mapping[str, Any], labels: list[str]) -> list[str]:
    """The template with each label in it; no other formatting is understood, because the template is a caller's."""
    template = parameters["hypothesis_template"]
    if template.count("{}") != 1:
        raise InvalidRequest(f"parameter 'hypothesis_template' is {template!r}: it needs {{}} once, for the label")
    return [template.replace("{}", label) for label in labels]
