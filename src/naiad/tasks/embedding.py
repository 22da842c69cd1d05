"""feature-extraction and sentence-similarity: texts in, one vector each out. The smallest task: read it first.

    inputs   text        BYTES [n]
    outputs  embedding   FP32  [n, width]

    parameters and options
        prompt_name   name of one of the checkpoint's prompts (config_sentence_transformers.json), put before each text

Pooling and normalisation happen in the encoder; the widths are those of its `embedding` output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoder import EncoderResult, TokenSequence
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model_config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.checkpoint import Checkpoint
from naiad.tasks.parameters import Parameters, one_of
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import check_names, respond
from naiad.tasks.text.strings import read_texts

WANTED = ("embedding",)


class EmbeddingTask:
    """Texts to vectors."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options."""
        self.name = parts.name
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, parts.width("embedding"))),)
        self._tokenizer = parts.tokenizer
        self._prompts = _prompts(parts.checkpoint)
        default = parts.checkpoint.sentence_settings.get("default_prompt_name")
        self._parameters = Parameters(parts.name, [one_of("prompt_name", default, tuple(self._prompts))], parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest."""
        check_names(request, self.inputs, self.outputs)
        prompt = self._prompts.get(self._parameters.of(request.parameters)["prompt_name"], "")
        texts = read_texts(request, "text")
        if prompt:
            texts = [prompt + text for text in texts]
        rows, cut = self._tokenizer.encode(texts)
        return Preparation([TokenSequence(ids, WANTED) for ids in rows], truncated=cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        vectors = np.stack([result["embedding"] for result in results])
        return respond(request, preparation, [Tensor("embedding", "FP32", vectors)])


def _prompts(checkpoint: Checkpoint) -> dict[str, str]:
    prompts = checkpoint.sentence_settings.get("prompts")
    return {str(name): str(text) for name, text in prompts.items()} if isinstance(prompts, dict) else {}
