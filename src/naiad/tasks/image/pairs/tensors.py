"""The raw-tensor view of a model of images and texts: from token ids and pixels to vectors and logits.

    inputs   input_ids          INT64 [n, longest]          optional
             attention_mask     INT64 [n, longest]          optional: 1 for tokens, 0 for padding; default: all 1
             pixel_values       FP32  [m, channels, height, width]   optional: prepared as preprocessor_config.json says
    outputs  text_embeds        FP32  [n, width]   with input_ids
             image_embeds       FP32  [m, width]   with pixel_values
             logits_per_image   FP32  [m, n]       with both

Names and values are those of transformers' CLIPModel and SiglipModel: the vectors have length one. SigLIP needs
rows padded to the model's maximum, and attends to the padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, EncoderSpec, ImagePixels, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.image.pairs.parts import WANTED
from naiad.tasks.image.pairs.zero_shot import similarity
from naiad.tasks.image.pixels import PIXELS
from naiad.tasks.image.preparing.inputs import MAX_IMAGES
from naiad.tasks.response import respond
from naiad.tasks.scores import normalized

IDS, MASK = "input_ids", "attention_mask"

TEXTS, IMAGES, LOGITS = "text_embeds", "image_embeds", "logits_per_image"


class PairTensorsTask:
    """Token ids and pixel values to vectors."""

    def __init__(self, texts: EncoderSpec, images: EncoderSpec) -> None:
        self.name = "tensors"
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig(IDS, "INT64", (-1, -1), optional=True),
            TensorConfig(MASK, "INT64", (-1, -1), optional=True),
            TensorConfig(PIXELS, "FP32", (-1, images.channels, images.height, images.width), optional=True),
        )
        width = next(output.width for output in texts.outputs if output.name == "embedding")
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig(TEXTS, "FP32", (-1, width)),
            TensorConfig(IMAGES, "FP32", (-1, width)),
            TensorConfig(LOGITS, "FP32", (-1, -1)),
        )
        self._texts = texts
        self._images = images

    def prepare(self, request: InferRequest) -> Preparation:
        """Take rows and images apart, and drop CLIP's padding. Raises InvalidRequest."""
        given = {TEXTS: IDS in request.inputs, IMAGES: PIXELS in request.inputs}
        if not any(given.values()):
            raise InvalidRequest(f"send '{IDS}', '{PIXELS}' or both: there is neither")
        for output in request.outputs:
            if not given.get(output.name, all(given.values())):
                raise InvalidRequest(f"the output '{output.name}' needs another input; sent are {[*request.inputs]}")
        tokenized = self._tokenized(request) if given[TEXTS] else []
        pixels = request.inputs[PIXELS].data if given[IMAGES] else ()
        if len(pixels) > MAX_IMAGES or (given[IMAGES] and not len(pixels)):
            raise InvalidRequest(f"input '{PIXELS}' has {len(pixels)} images; send 1 to {MAX_IMAGES}", input=PIXELS)
        images = [ImagePixels(image, WANTED, self._images.max_tokens) for image in pixels]
        return Preparation(tokenized, images=images)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Normalise and compare."""
        count = len(preparation.texts)
        vectors = [result["embedding"] for result in results]
        made: dict[str, Array] = {}
        for name, part in ((TEXTS, vectors[:count]), (IMAGES, vectors[count:])):
            if part:
                made[name] = normalized(np.stack(part))
        if len(made) == 2:
            scale, bias = self._texts.similarity_scale, self._texts.similarity_bias
            made[LOGITS] = similarity(made[IMAGES], made[TEXTS], scale, bias)
        return respond(request, preparation, [Tensor(name, "FP32", values) for name, values in made.items()])

    def _tokenized(self, request: InferRequest) -> list[TextTokens]:
        ids = request.inputs[IDS].data
        mask = request.inputs[MASK].data if MASK in request.inputs else np.ones_like(ids)
        if mask.shape != ids.shape or not ids.size:
            raise InvalidRequest(f"'{IDS}' has shape {list(ids.shape)}, '{MASK}' {list(mask.shape)}", input=MASK)
        if self._texts.attends_padding:
            if not mask.all():
                raise InvalidRequest(f"'{MASK}' has zeros, but padding counts for this model: leave it out", input=MASK)
            return [TextTokens(row, WANTED) for row in ids]
        rows = [row[present.astype(np.bool_)] for row, present in zip(ids, mask, strict=True)]
        for number, row in enumerate(rows):
            if not len(row):
                raise InvalidRequest(f"row {number} of '{IDS}' has no tokens", input=IDS, element=number)
        return [TextTokens(row, WANTED) for row in rows]
