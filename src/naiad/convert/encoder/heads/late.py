"""The late-interaction head (ColBERT): a vector for each token, projected and normalised, never pooled.

Three kinds of folders: modules of sentence-transformers 6, PyLate's (which leaves the normalisation out of its modules)
and Stanford's own, whose projection is one weight beside the body's. Not here: which tokens count
(`naiad.tasks.retrieval`).
"""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.embedding import Values
from naiad.convert.encoder.sentence import TOKENS, Dense, Normalize, read_step, unknown_module
from naiad.core.encoding.encoder import EncoderOutput
from naiad.core.errors import Unsupported
from naiad.repository.checkpoint import PYLATE, STANFORD, Checkpoint

PROJECTION = "linear"
"""Stanford's module."""


def late_interaction(body: Body, inputs: Inputs, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`embedding` for each token."""
    graph, hidden = body.graph, body.sizes.hidden
    states = body.hidden_states(replace(inputs, attended=graph.input("attended", ("tokens",))))
    values = Values(graph, inputs, checkpoint.folder, states, hidden)
    if checkpoint.modules:
        values.follow(_steps(checkpoint))
    else:
        values.project(body.weights, _stanford(checkpoint))
        values.follow([Normalize(TOKENS, TOKENS)])
    vectors, width = values.get(TOKENS, "the end")
    graph.output("embedding", vectors, ("tokens", width))
    return (EncoderOutput("embedding", "token", width),)


def _stanford(checkpoint: Checkpoint) -> str:
    """The projection's module in a folder without modules. Raises Unsupported for a model that has none."""
    name = checkpoint.architecture
    if name != STANFORD:
        raise Unsupported(
            f"{checkpoint.folder}: {name or 'the model'} has no projection for late interaction: no modules.json, and "
            f"it is not an {STANFORD}",
            architectures=[name],
        )
    return PROJECTION


def _steps(checkpoint: Checkpoint) -> list[Dense | Normalize]:
    """Modules that work on tokens. Raises Unsupported naming one that does not."""
    first, *rest = checkpoint.modules
    if first.kind != "Transformer":
        raise unknown_module(first)
    steps: list[Dense | Normalize] = []
    for module in rest:
        if module.kind == "MultiVectorMask":
            continue
        for step in read_step(module, default=TOKENS):
            if not isinstance(step, Dense | Normalize) or (step.reads, step.writes) != (TOKENS, TOKENS):
                raise unknown_module(module)
            steps.append(step)
    inline = checkpoint.sentence_settings.get("model_type") == PYLATE
    if (inline or any(module.is_foreign for module in rest)) and Normalize(TOKENS, TOKENS) not in steps:
        steps.append(Normalize(TOKENS, TOKENS))
    return steps
