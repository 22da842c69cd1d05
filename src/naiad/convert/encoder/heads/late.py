"""The late-interaction head (ColBERT): a vector for each token, projected and normalised, never pooled.

Three kinds of folders: modules of sentence-transformers 6, PyLate's (which leaves the normalisation out of its modules)
and Stanford's own, whose projection is one weight beside the body's. Not here: which tokens count
(`naiad.tasks.retrieval`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.embedding import Values
from naiad.convert.encoder.sentence import TOKENS, Dense, Normalize, read_json, read_step, unknown_module
from naiad.core.encoder import EncoderOutput
from naiad.core.errors import Unsupported
from naiad.repository.modules import read_modules

STANFORD = "HF_ColBERT"
"""The class in config.json's `architectures`."""

PROJECTION = "linear"
"""Stanford's module."""

PYLATE = "ColBERT"
"""PyLate's model_type in config_sentence_transformers.json."""


def late_interaction(body: Body, inputs: Inputs, folder: Path, config: Mapping[str, Any]) -> tuple[EncoderOutput, ...]:
    """`embedding` for each token."""
    graph, hidden = body.graph, body.sizes.hidden
    states = body.hidden_states(replace(inputs, attended=graph.input("attended", ("tokens",))))
    values = Values(graph, inputs, folder, states, hidden)
    if read_modules(folder):
        values.follow(_steps(folder))
    else:
        values.project(body.weights, _stanford(config, folder))
        values.follow([Normalize(TOKENS, TOKENS)])
    vectors, width = values.get(TOKENS, "the end")
    graph.output("embedding", vectors, ("tokens", width))
    return (EncoderOutput("embedding", "token", width),)


def _stanford(config: Mapping[str, Any], folder: Path) -> str:
    """The projection's module in a folder without modules. Raises Unsupported for a model that has none."""
    classes = config.get("architectures") or [""]
    if classes[0] != STANFORD:
        raise Unsupported(
            f"{folder}: {classes[0] or 'the model'} has no projection for late interaction: no modules.json, and it is "
            f"no {STANFORD}",
            architectures=list(classes),
        )
    return PROJECTION


def _steps(folder: Path) -> list[Dense | Normalize]:
    """Modules that work on tokens. Raises Unsupported naming one that does not."""
    first, *rest = read_modules(folder)
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
    settings = folder / "config_sentence_transformers.json"
    inline = settings.is_file() and read_json(settings).get("model_type") == PYLATE
    if (inline or any(module.is_foreign for module in rest)) and Normalize(TOKENS, TOKENS) not in steps:
        steps.append(Normalize(TOKENS, TOKENS))
    return steps
