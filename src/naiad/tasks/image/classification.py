"""image-classification: labels for images, with their scores.

    inputs   image    BYTES [n]      image files: JPEG, PNG, WebP, GIF, BMP, TIFF; in JSON base64 of them, or data URLs
    outputs  label    BYTES [n]      the best label
             score    FP32  [n]      its score
             labels   BYTES [n, k]   labels, best first
             scores   FP32  [n, k]   their scores

    parameters and options
        top_k               how many labels to give (k), best first; default 5
        function_to_apply   softmax, sigmoid, none, or default: none for regression and for ONNX files that end in a
                            softmax or sigmoid, sigmoid for several labels at once or one label, else softmax, by
                            config.json's problem_type and label count

Images are prepared as preprocessor_config.json says, turned upright by their EXIF data, without transparency; of an
animation, the first frame. Scores equal those of transformers' pipeline. A request may hold up to 256 images of up
to 64 million pixels each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.tasks.activation import default_function
from naiad.tasks.image.parts import ImageParts
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.labels import LABEL_OUTPUTS, label_tensors
from naiad.tasks.parameters import Parameters, one_of, whole_number
from naiad.tasks.response import respond
from naiad.tasks.scores import apply_function, best
from naiad.tasks.strings import text_array

WANTED = ("logits",)

DEFAULT_LABELS = 5
"""transformers' pipeline gives as many."""


class ImageClassificationTask:
    """Images to labels."""

    def __init__(self, parts: ImageParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for a bad config.json."""
        width = parts.width("logits")
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig(IMAGE, "BYTES", (-1,)),)
        self.outputs = LABEL_OUTPUTS
        self._processor = parts.processor
        self._labels = text_array(parts.checkpoint.labels(width))
        self._default_function = "none" if parts.spec.gives_shares else default_function(parts.checkpoint, width)
        specs = [
            whole_number("top_k", min(DEFAULT_LABELS, width)),
            one_of("function_to_apply", "default", ("default", "softmax", "sigmoid", "none")),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Decode and prepare the images. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        return Preparation(state=parameters, images=prepare_images(request, self._processor, WANTED))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Score the labels and sort them."""
        parameters = preparation.state
        function = parameters["function_to_apply"]
        logits = np.stack([result["logits"] for result in results])
        scores = apply_function(self._default_function if function == "default" else function, logits)
        order, shown = best(scores, parameters["top_k"])
        return respond(request, preparation, label_tensors(self._labels[order], shown))
