"""The embedding head: pooling, dense layers and normalisation, in the order in which the folder lists them.

Not here: reading them (`sentence.py`) and how each pooling is computed (`pooling.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.heads.activations import activate
from naiad.convert.encoder.heads.pooling import Tokens, pool
from naiad.convert.encoder.sentence import (
    SENTENCE,
    TOKENS,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    Step,
    read_steps,
)
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.core.encoding.encoder import EncoderOutput
from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import Checkpoint

PROMPT_TOKENS = "prompt_tokens"
"""Input of graphs that leave prompts out of their pooling: (n,) int64, how many tokens of each text."""

ALL_TOKENS = "all_tokens"
"""Input of graphs that pool first tokens: (1,) int64; 0: `last_hidden_state` is read by nobody and holds only these."""

SMALLEST_NORM = 1e-12
"""What an embedding is divided by at least; torch.nn.functional.normalize has the same."""

LAYER_NORM_EPSILON = 1e-5
"""torch.nn.LayerNorm's, which the module does not set."""


def embedding(body: Body, inputs: Inputs, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`embedding` for each text and `last_hidden_state` for each token."""
    graph, hidden, steps = body.graph, body.sizes.hidden, read_steps(checkpoint)
    if _reads_first_tokens(steps):
        x, first = _first_or_all(body, inputs)
        values = Values(graph, inputs, checkpoint.folder, x, hidden, graph.op("Gather", x, first, axis=0))
        steps, axis = steps[1:], "tokens_or_texts"
    else:
        x, axis = body.hidden_states(inputs), "tokens"
        values = Values(graph, inputs, checkpoint.folder, x, hidden)
    graph.output("last_hidden_state", x, (axis, hidden))
    values.follow(steps)
    vector, width = values.get(SENTENCE, "the end")
    graph.output("embedding", vector, ("texts", width))
    return EncoderOutput("embedding", "item", width), EncoderOutput("last_hidden_state", "token", hidden)


def _reads_first_tokens(steps: tuple[Step, ...]) -> bool:
    """Whether nothing of the tokens' states is needed but each text's first one."""
    if steps[:1] != (Pooling(("cls",)),):
        return False
    readers = (step for step in steps[1:] if not isinstance(step, LayerNorm))
    return not any(isinstance(step, Pooling) or step.reads == TOKENS for step in readers)


def _first_or_all(body: Body, inputs: Inputs) -> tuple[str, str]:
    """States (n or T, hidden), of the first tokens or of all, as the run wants it; and at which each text begins."""
    graph = body.graph
    wants_all = graph.op("Equal", graph.op("Squeeze", graph.input(ALL_TOKENS, (1,))), graph.integer(1))
    read = graph.choose(wants_all, lambda: graph.numbers(inputs.ids), lambda: inputs.starts, np.int64)
    first = graph.choose(wants_all, lambda: inputs.starts, lambda: graph.numbers(inputs.starts), np.int64)
    return body.hidden_states(inputs, at=read), first


class Values:
    """What modules hand on to each other: the tokens' states and, after pooling, the sentence's vector."""

    def __init__(
        self, graph: GraphBuilder, inputs: Inputs, folder: Path, states: str, width: int, sentence: str = ""
    ) -> None:
        """states: (T, width). sentence: (n, width), what pooling gave; empty: it is one of the steps."""
        self._graph = graph
        self._inputs = inputs
        self._folder = folder
        self._values = {TOKENS: (states, width)}
        if sentence:
            self._values[SENTENCE] = sentence, width

    def follow(self, steps: Sequence[Step]) -> None:
        """Compute the steps one after the other. Raises LoadFailed where one does not fit those before it."""
        for number, step in enumerate(steps):
            match step:
                case Pooling():
                    self._values[SENTENCE] = self._pool(step)
                case Dense():
                    self._values[step.writes] = self._dense(step, f"sentence.{number}")
                case Normalize():
                    self._values[step.writes] = self._normalize(step)
                case LayerNorm():
                    self._values[SENTENCE] = self._layer_norm(step, f"sentence.{number}")

    def get(self, name: str, reader: str) -> tuple[str, int]:
        """A value and its width. Raises LoadFailed where no module before the reader gives it."""
        if name not in self._values:
            raise LoadFailed(f"{self._folder}: modules.json has nothing that gives {name} before {reader}: no Pooling")
        return self._values[name]

    def project(self, weights: Weights, module: str) -> None:
        """Multiply the tokens' states by a weight without bias, (out, width) as it is stored. Raises LoadFailed."""
        graph = self._graph
        x, width = self._values[TOKENS]
        outputs = weights.shape(f"{module}.weight")[0]
        matrix = weights.get(f"{module}.weight", outputs, width)
        self._values[TOKENS] = graph.op("Gemm", x, graph.weight("projection", lambda: matrix), transB=1), outputs

    def _pool(self, step: Pooling) -> tuple[str, int]:
        graph = self._graph
        states, width = self.get(TOKENS, "Pooling")
        prompts = ""
        if not step.include_prompt:
            prompts = graph.once(PROMPT_TOKENS, lambda: graph.input(PROMPT_TOKENS, ("texts",)))
        return pool(Tokens(graph, self._inputs, states, width, prompts), step.modes)

    def _dense(self, step: Dense, name: str) -> tuple[str, int]:
        graph = self._graph
        x, width = self.get(step.reads, f"Dense in {step.folder.name}")
        if step.inputs != width:
            raise LoadFailed(f"{step.folder}: in_features is {step.inputs}, but the module before it gives {width}")
        with Weights(weight_files(step.folder)) as weights:
            y = self._product(x, weights, "linear", step, name)
            y = activate(graph, y, step.activation)
            if step.has_residual:
                bypass = x
                if step.inputs != step.outputs:
                    matrix = weights.get("residual.weight", step.outputs, step.inputs)
                    bypass = graph.op("Gemm", x, graph.weight(f"{name}.residual", lambda: matrix), transB=1)
                y = graph.op("Add", y, bypass)
        return y, step.outputs

    def _product(self, x: str, weights: Weights, module: str, step: Dense, name: str) -> str:
        graph = self._graph
        matrix = weights.get(f"{module}.weight", step.outputs, step.inputs)
        terms = [x, graph.weight(f"{name}.weight", lambda: matrix)]
        if step.has_bias:
            bias = weights.get(f"{module}.bias", step.outputs)
            terms.append(graph.weight(f"{name}.bias", lambda: bias))
        return graph.op("Gemm", *terms, transB=1)

    def _normalize(self, step: Normalize) -> tuple[str, int]:
        graph = self._graph
        x, width = self.get(step.reads, "Normalize")
        norm = graph.op("ReduceL2", x, graph.ints(1), keepdims=1)
        return graph.op("Div", x, graph.op("Max", norm, graph.number(SMALLEST_NORM))), width

    def _layer_norm(self, step: LayerNorm, name: str) -> tuple[str, int]:
        graph = self._graph
        x, width = self.get(SENTENCE, f"LayerNorm in {step.folder.name}")
        if step.width != width:
            raise LoadFailed(f"{step.folder}: dimension is {step.width}, but the module before it gives {width}")
        with Weights(weight_files(step.folder)) as weights:
            scale, shift = weights.get("norm.weight", width), weights.get("norm.bias", width)
        terms = graph.weight(f"{name}.weight", lambda: scale), graph.weight(f"{name}.bias", lambda: shift)
        return graph.op("LayerNormalization", x, *terms, axis=-1, epsilon=LAYER_NORM_EPSILON), width
