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

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array
from naiad.tasks.image.pairs.parts import WANTED, PairParts, TextPreparer
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.labels import CANDIDATES, LABEL_OUTPUTS, label_tensors, read_candidates, read_hypotheses
from naiad.tasks.parameters import Parameters, text, text_list
from naiad.tasks.response import respond
from naiad.tasks.scores import apply_function, best, normalized
from naiad.tasks.strings import text_array


class ZeroShotImageTask:
    """Images to labels that the caller brings."""

    def __init__(self, parts: PairParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for encoders that do not fit."""
        _ = parts.width
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig(IMAGE, "BYTES", (-1,)),
            TensorConfig(CANDIDATES, "BYTES", (-1,), optional=True),
        )
        self.outputs = LABEL_OUTPUTS
        self._processor = parts.processor
        self._texts = TextPreparer(parts.tokenizer, parts.texts)
        self._spec = parts.texts
        specs = [text("hypothesis_template", "This is a photo of {}."), text_list(CANDIDATES, ())]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Prepare the images, and each label's sentence. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        labels = read_candidates(request, parameters)
        tokenized, cut = self._texts(read_hypotheses(parameters, labels))
        return Preparation(tokenized, labels, cut, prepare_images(request, self._processor, WANTED))

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
        return respond(request, preparation, label_tensors(ordered, scores))


def similarity(images: Array, texts: Array, scale: float, bias: float) -> Array:
    """Logits (images, texts) of normalised vectors."""
    logits: Array = images @ texts.T * np.float32(scale) + np.float32(bias)
    return logits
