"""zero-shot-image-classification: your own labels for images, best first.

    inputs   image              BYTES [n]      image files, as for image-classification
             candidate_labels   BYTES [m]      optional if the parameter of the same name is set
    outputs  label              BYTES [n]      the best label
             score              FP32  [n]      its score
             labels             BYTES [n, m]   labels, best first
             scores             FP32  [n, m]   their scores

    parameters and options
        hypothesis_template   a sentence with {} where the label goes; default "This is a photo of {}."
        candidate_labels      separated by commas or as a JSON array; for callers and options without the input

Every image is compared with every label by a model of images and texts. CLIP's scores add up to one, SigLIP's are
each between 0 and 1; both equal those of transformers' pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoder import EncoderResult
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model_config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.image.features import normalized
from naiad.tasks.image.pairs.parts import WANTED, PairParts, TextPreparer
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.parameters import Parameters, text, text_list
from naiad.tasks.response import check_names, respond
from naiad.tasks.scores import apply_function, best
from naiad.tasks.text.strings import read_optional_texts, text_array

LABELS = "candidate_labels"

MAX_LABELS = 10_000
"""The most labels in one request."""


class ZeroShotImageTask:
    """Images to labels that the caller brings."""

    def __init__(self, parts: PairParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for encoders that do not fit."""
        _ = parts.width
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig(IMAGE, "BYTES", (-1,)),
            TensorConfig(LABELS, "BYTES", (-1,), optional=True),
        )
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("label", "BYTES", (-1,)),
            TensorConfig("score", "FP32", (-1,)),
            TensorConfig("labels", "BYTES", (-1, -1)),
            TensorConfig("scores", "FP32", (-1, -1)),
        )
        self._processor = parts.processor
        self._texts = TextPreparer(parts.tokenizer, parts.texts)
        self._spec = parts.texts
        specs = [text("hypothesis_template", "This is a photo of {}."), text_list(LABELS, ())]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Prepare the images, and each label's sentence. Raises InvalidRequest."""
        check_names(request, self.inputs, self.outputs)
        parameters = self._parameters.of(request.parameters)
        labels = _labels(request, parameters)
        template = parameters["hypothesis_template"]
        if template.count("{}") != 1:
            raise InvalidRequest(f"parameter 'hypothesis_template' is {template!r}: it needs {{}} once, for the label")
        sequences, cut = self._texts([template.replace("{}", label) for label in labels])
        return Preparation(sequences, labels, cut, prepare_images(request, self._processor, WANTED))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Compare the vectors, score the labels of each image and sort them."""
        labels: list[str] = preparation.state
        vectors = [result["embedding"] for result in results]
        texts, images = (normalized(np.stack(part)) for part in (vectors[: len(labels)], vectors[len(labels) :]))
        logits = similarity(images, texts, self._spec.similarity_scale, self._spec.similarity_bias)
        function = "sigmoid" if self._spec.attends_padding else "softmax"
        order, scores = best(apply_function(function, logits), len(labels))
        ordered = text_array(labels)[order]
        tensors = (
            Tensor("label", "BYTES", ordered[:, 0]),
            Tensor("score", "FP32", scores[:, 0]),
            Tensor("labels", "BYTES", ordered),
            Tensor("scores", "FP32", scores),
        )
        return respond(request, preparation, tensors)


def similarity(images: Array, texts: Array, scale: float, bias: float) -> Array:
    """Logits (images, texts) of normalised vectors."""
    logits: Array = images @ texts.T * np.float32(scale) + np.float32(bias)
    return logits


def _labels(request: InferRequest, parameters: Mapping[str, Any]) -> list[str]:
    labels = read_optional_texts(request, LABELS)
    if labels is None:
        labels = list(parameters[LABELS])
    if not 0 < len(labels) <= MAX_LABELS:
        raise InvalidRequest(
            f"there are {len(labels)} candidate labels; send 1 to {MAX_LABELS} as BYTES with shape [m]"
        )
    return labels
