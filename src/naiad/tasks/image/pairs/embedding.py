"""feature-extraction of images and texts: vectors of both in one space, to search across them (CLIP, SigLIP).

    inputs   text        BYTES [n]          optional
             image       BYTES [m]          optional: image files, as for image-classification; at least one of the two
    outputs  embedding   FP32  [n + m, width]   the texts' vectors, then the images'

    parameters and options
        normalize   whether to scale each vector to length one; default: true if the checkpoint has a Normalize module

The vectors are those of `get_text_features` and `get_image_features` of transformers, and of sentence-transformers'
CLIPModel. The task has the same two names as for texts alone, feature-extraction and sentence-similarity, and serves
the same routes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, ImagePixels, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.image.pairs.parts import WANTED, PairParts, TextPreparer
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.parameters import Parameters, flag
from naiad.tasks.response import respond
from naiad.tasks.scores import normalized
from naiad.tasks.strings import read_optional_texts


class PairEmbeddingTask:
    """Images and texts to vectors."""

    def __init__(self, parts: PairParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for encoders that do not fit."""
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("text", "BYTES", (-1,), optional=True),
            TensorConfig(IMAGE, "BYTES", (-1,), optional=True),
        )
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, parts.width)),)
        self._processor = parts.processor
        self._texts = TextPreparer(parts.tokenizer, parts.texts)
        normalizes = any(module.kind == "Normalize" for module in parts.checkpoint.modules)
        self._parameters = Parameters(parts.name, [flag("normalize", normalizes)], parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise the texts and prepare the images. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        if not request.inputs:
            raise InvalidRequest(f"send 'text', '{IMAGE}' or both: there is neither")
        texts = read_optional_texts(request, "text")
        tokenized: list[TextTokens] = []
        images: list[ImagePixels] = []
        cut = 0
        if texts is not None:
            tokenized, cut = self._texts(texts)
        if IMAGE in request.inputs:
            images = prepare_images(request, self._processor, WANTED)
        return Preparation(tokenized, parameters, cut, images)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        vectors = np.stack([result["embedding"] for result in results])
        if preparation.state["normalize"]:
            vectors = normalized(vectors)
        return respond(request, preparation, [Tensor("embedding", "FP32", vectors)])
