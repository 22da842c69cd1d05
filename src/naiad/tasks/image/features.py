"""image-feature-extraction: one vector for each image.

    inputs   image       BYTES [n]          image files, as for image-classification
    outputs  embedding   FP32  [n, width]

    parameters and options
        normalize   whether to scale each vector to length one; default false

`embedding` is what transformers calls `pooler_output` (for CLIP with a projection, `image_embeds`): the output of the
pooler (ViT, DeiT), the mean over the patches (BEiT), the class token (DINOv2), or the output of the attention head
(SigLIP). Without a pooler, it is the state of the class token. The states of all patches, which transformers' pipeline
returns, are the output `last_hidden_state` of the raw-tensor view.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.image.parts import ImageParts
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.parameters import Parameters, flag
from naiad.tasks.response import respond
from naiad.tasks.scores import normalized

WANTED = ("embedding",)


class ImageFeaturesTask:
    """Images to vectors."""

    def __init__(self, parts: ImageParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options."""
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig(IMAGE, "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, parts.width("embedding"))),)
        self._processor = parts.processor
        self._parameters = Parameters(parts.name, [flag("normalize", False)], parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Decode and prepare the images. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        return Preparation(state=parameters, images=prepare_images(request, self._processor, WANTED))

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        vectors = np.stack([result["embedding"] for result in results])
        if preparation.state["normalize"]:
            vectors = normalized(vectors)
        return respond(request, preparation, [Tensor("embedding", "FP32", vectors)])
