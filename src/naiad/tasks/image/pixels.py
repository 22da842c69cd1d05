"""The raw-tensor view of an image encoder: from pixel values to the graph's own outputs. Served as `NAME.tensors`.

    inputs   pixel_values   FP32 [batch, channels, height, width]   prepared as preprocessor_config.json says
    outputs  what the encoder computes: logits [batch, labels], or embedding [batch, width] and last_hidden_state
             [batch, tokens, width], the tokens before the patches included; all FP32

Only the outputs that the request lists are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, EncoderSpec, ImagePixels
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.image.preparing.inputs import MAX_IMAGES
from naiad.tasks.response import respond

PIXELS = "pixel_values"


class PixelsTask:
    """Pixel values to the encoder's outputs."""

    def __init__(self, spec: EncoderSpec) -> None:
        self.name = "tensors"
        shape = (spec.channels, spec.height, spec.width)
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig(PIXELS, "FP32", (-1, *shape)),)
        self.outputs: tuple[TensorConfig, ...] = tuple(
            TensorConfig(
                output.name,
                "FP32",
                (-1, output.width) if output.granularity == "item" else (-1, -1, output.width),
            )
            for output in spec.outputs
        )
        self._tokens = spec.max_tokens

    def prepare(self, request: InferRequest) -> Preparation:
        """Take the images apart. Raises InvalidRequest."""
        tensor = request.inputs[PIXELS]
        if not 0 < len(tensor.data) <= MAX_IMAGES:
            raise InvalidRequest(
                f"input '{PIXELS}' has {len(tensor.data)} images; send 1 to {MAX_IMAGES}", input=PIXELS
            )
        wanted = self._wanted(request)
        images = [ImagePixels(image, wanted, self._tokens) for image in tensor.data]
        return Preparation(images=images)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack what was computed."""
        names = self._wanted(request)
        tensors = [Tensor(name, "FP32", np.stack([result[name] for result in results])) for name in names]
        return respond(request, preparation, tensors)

    def _wanted(self, request: InferRequest) -> tuple[str, ...]:
        asked = {output.name for output in request.outputs}
        return tuple(tensor.name for tensor in self.outputs if not asked or tensor.name in asked)
