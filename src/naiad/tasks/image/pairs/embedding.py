"""feature-extraction of images and texts: vectors of both in one space, to search across them (CLIP, SigLIP).

    inputs   text        BYTES [n]          optional
             image       BYTES [m]          optional: image files, as for image-classification; at least one of the two
    outputs  embedding   FP32  [n + m, width]   the texts' vectors, then the images'

    parameters and options
        prompt_name    name of one of the checkpoint's prompts (config_sentence_transformers.json), put before each text
        prompt         the prompt itself; "" for none
        input_type     query or document: use the checkpoint's prompt for such texts, if it has one
        truncate_dim   how many numbers of each vector to keep, from the first; default: as in
                       config_sentence_transformers.json, else all
        normalize      whether to scale each vector to length one at the end; false: only if the checkpoint does

The vectors are those of `get_text_features` and `get_image_features` of transformers, and of sentence-transformers'
CLIPModel; of the modules behind it, Normalize is done, and others are refused. The task has the same two names as for
texts alone, feature-extraction and sentence-similarity, and serves the same routes.
"""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, ImagePixels, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.image.pairs.parts import WANTED, PairParts, TextPreparer
from naiad.tasks.image.preparing.inputs import IMAGE, prepare_images
from naiad.tasks.image.vectors import read_vector_steps
from naiad.tasks.parameters import Parameters
from naiad.tasks.prompts import Prompts
from naiad.tasks.response import respond
from naiad.tasks.strings import read_optional_texts


class PairEmbeddingTask:
    """Images and texts to vectors."""

    def __init__(self, parts: PairParts) -> None:
        """Make the task.

        Raises InvalidConfiguration for bad options, Unsupported for modules that are not computed, LoadFailed for bad
        files and for encoders that do not fit.
        """
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("text", "BYTES", (-1,), optional=True),
            TensorConfig(IMAGE, "BYTES", (-1,), optional=True),
        )
        self._steps = read_vector_steps(parts.checkpoint, "text", IMAGE)
        self._prompts = Prompts(parts.checkpoint)
        specs = [*self._prompts.specs(), *self._steps.specs()]
        self._parameters = Parameters(parts.name, specs, parts.options)
        width = min(parts.width, self._parameters.of({})["truncate_dim"] or parts.width)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, width)),)
        self._processor = parts.processor
        self._texts = TextPreparer(parts.tokenizer, parts.texts)

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
            prompt = self._prompts.chosen(parameters)
            tokenized, cut = self._texts([prompt + text for text in texts])
        if IMAGE in request.inputs:
            images = prepare_images(request, self._processor, WANTED)
        return Preparation(tokenized, parameters, cut, images)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        vectors = self._steps.apply(results, preparation.state)
        return respond(request, preparation, [Tensor("embedding", "FP32", vectors)])
