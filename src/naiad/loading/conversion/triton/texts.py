"""What the served checkpoint does with a text before its encoder, and with a vector behind it, written down for Triton.

`naiad serve` reads this from the checkpoint's files when a model is loaded; the repository has no one to read them, so
it carries the result. The program that obeys it is `tokenize_step.py`. Not here: prompts and lengths that a request
asks for, which the repository's models do not take.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.onnx_file import describe_candidate
from naiad.convert.rewriting.triton_names import OUTPUT
from naiad.loading.conversion.course import Outcome
from naiad.loading.conversion.subject import Subject
from naiad.loading.conversion.triton.tokenize_step import SETTINGS
from naiad.proto.onnx_messages import make_node, make_tensor
from naiad.tasks import build_task
from naiad.tasks.prompts import Prompts
from naiad.tasks.tokenizing.settings import read_sentence_settings

PROMPTED = frozenset({"feature-extraction", "sentence-similarity", "text-classification", "text-ranking"})
"""Tasks that put a checkpoint's default prompt before texts."""


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How texts become rows of token ids; the fields are the keys of the file."""

    max_tokens: int
    """Longest row, special tokens included; longer texts are cut, shorter ones never padded beyond it."""
    lowercases: bool
    """Text is made lower case before the tokenizer's own normalizer."""
    prompt: str
    """What is put before every text; empty for nothing."""
    tokenizer_args: dict[str, Any]
    """Options that win over tokenizer_config.json."""
    pad_token_id: int
    pads: bool
    """False: answers depend on padding, so rows of different lengths are refused."""

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Serving:
    """The served checkpoint, as far as the repository has to do the same."""

    texts: TextSettings
    width: int | None
    """Numbers of a vector that are kept, from the first; None for answers that are no vectors."""


def describe_serving(subject: Subject, outcome: Outcome) -> Serving:
    """What `naiad serve` does with the checkpoint. Raises what loading its task and its tokenizer raises."""
    spec = describe_candidate(outcome.graph, subject.folder, subject.head)
    task = build_task(subject.task, subject.folder, spec)
    sentence = read_sentence_settings(subject.checkpoint.body)
    texts = TextSettings(
        max_tokens=task.max_tokens,
        lowercases=sentence.lowercases,
        prompt=default_prompt(subject),
        tokenizer_args=sentence.overrides,
        pad_token_id=spec.pad_token_id,
        pads=outcome.report.rows_are_independent,
    )
    return Serving(texts, task.outputs[0].dims[-1] if subject.head == "embedding" else None)


def default_prompt(subject: Subject) -> str:
    """What the served checkpoint puts before a text if the request names no prompt; empty for nothing."""
    if subject.task not in PROMPTED:
        return ""
    return Prompts(subject.checkpoint).chosen({"prompt": None, "prompt_name": None})


def keep_first(graph: Any, width: int) -> None:
    """Let `output` keep the first numbers of its last axis, where it has more."""
    axis = graph.output[0].type.tensor_type.shape.dim[-1]
    if axis.dim_value <= width:
        return
    whole = f"{OUTPUT}_whole"
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == OUTPUT:
                    names[at] = whole
    bounds = {"begin": 0, "end": width, "axis": -1}
    graph.initializer.extend(
        make_tensor(f"{OUTPUT}_{name}", np.array([value], np.int64)) for name, value in bounds.items()
    )
    graph.node.append(make_node("Slice", [whole, *(f"{OUTPUT}_{name}" for name in bounds)], [OUTPUT]))
    axis.dim_value = width
