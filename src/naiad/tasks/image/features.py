"""image-feature-extraction: one vector for each image.

    inputs   image       BYTES [n]          image files, as for image-classification
    outputs  embedding   FP32  [n, width]

    parameters and options
        truncate_dim   how many numbers of each vector to keep, from the first; default: as in
                       config_sentence_transformers.json, else all
        normalize      whether to scale each vector to length one at the end; false: only if the checkpoint does

`embedding` is what transformers calls `pooler_output` (for CLIP with a projection, `image_embeds`): the output of the
pooler (ViT, DeiT), the mean over the patches (BEiT), the class token (DINOv2), or the output of the attention head
(SigLIP). Without a pooler, it is the state of the class token. The states of all patches, which transformers' pipeline
returns, are the output `last_hidden_state` of the raw-tensor view.

A folder of sentence-transformers says itself what the vector is: Pooling (cls, mean or max), Normalize and truncate_dim
are done as it does them, other modules are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.image.parts import ImageParts
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.image.vectors import read_vector_steps
from naiad.tasks.parameters import Parameters
from naiad.tasks.response import respond


class ImageFeaturesTask:
    """Images to vectors."""

    def __init__(self, parts: ImageParts) -> None:
        """Make the task.

        Raises InvalidConfiguration for bad options, Unsupported for modules that are not computed, LoadFailed for bad
        files.
        """
        self.name = parts.name
        self._steps = read_vector_steps(parts.checkpoint, IMAGE)
        self._parameters = Parameters(parts.name, self._steps.specs(), parts.options)
        width = parts.width(self._steps.reads)
        width = min(width, self._parameters.of({})["truncate_dim"] or width)
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig(IMAGE, "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, width)),)
        self._processor = parts.processor

    def prepare(self, request: InferRequest) -> Preparation:
        """Decode and prepare the images. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        return Preparation(state=parameters, images=prepare_images(request, self._processor, (self._steps.reads,)))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        vectors = self._steps.apply(results, preparation.state)
        return respond(request, preparation, [Tensor("embedding", "FP32", vectors)])
