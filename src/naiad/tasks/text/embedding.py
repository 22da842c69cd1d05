"""feature-extraction and sentence-similarity: one vector for each text. The smallest task: read it first.

    inputs   text        BYTES [n]
    outputs  embedding   FP32  [n, width]

    parameters and options
        prompt_name    name of one of the checkpoint's prompts (config_sentence_transformers.json), put before each text
        prompt         the prompt itself; "" for none
        input_type     query or document: use the checkpoint's prompt for such texts, if it has one
        truncate_dim   how many numbers of each vector to keep, from the first; default: as in
                       config_sentence_transformers.json, else all
        normalize      whether to scale each vector to length one at the end; false: only if the checkpoint does

Pooling and the modules after it run in the encoder; prompts, truncate_dim and their order are sentence-transformers'.
The model's configuration names the checkpoint's similarity_fn_name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import STATIC, EncoderResult, TextTokens
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.parameters import Parameters, flag, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.prompts import Prompts, prompt_tokens
from naiad.tasks.response import respond
from naiad.tasks.scores import normalized
from naiad.tasks.strings import read_texts
from naiad.tasks.text.static import StaticTokens

WANTED = ("embedding",)


class EmbeddingTask:
    """Texts to vectors."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for bad files."""
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self._tokenizer = parts.tokenizer
        self._encode = parts.tokenizer.encode
        if parts.spec.architecture == STATIC:
            static = StaticTokens(parts.checkpoint, parts.tokenizer, parts.spec)
            self._encode, self.max_tokens = static.encode, static.max_tokens
        self._prompts = Prompts(parts.checkpoint)
        self._excludes_prompt = parts.spec.excludes_prompt
        specs = [
            *self._prompts.specs(),
            whole_number("truncate_dim", parts.checkpoint.truncate_dim),
            flag("normalize", False),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)
        width = min(parts.width("embedding"), self._parameters.of({})["truncate_dim"] or parts.width("embedding"))
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("embedding", "FP32", (-1, width)),)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        prompt = self._prompts.chosen(parameters)
        texts = read_texts(request, "text")
        if prompt:
            texts = [prompt + text for text in texts]
        rows, cut = self._encode(texts)
        skipped = prompt_tokens(self._tokenizer, prompt) if prompt and self._excludes_prompt else 0
        tokenized = [TextTokens(ids, WANTED, prompt_tokens=skipped) for ids in rows]
        return Preparation(tokenized, parameters, cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Stack the vectors."""
        parameters = preparation.state
        vectors = np.stack([result["embedding"] for result in results])[:, : parameters["truncate_dim"]]
        if parameters["normalize"]:
            vectors = normalized(vectors)
        return respond(request, preparation, [Tensor("embedding", "FP32", np.ascontiguousarray(vectors))])
