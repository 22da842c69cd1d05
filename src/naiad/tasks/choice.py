"""Which task a checkpoint is for, and making it.

The table of tasks is here and nowhere else: a new task is a new file beside this one and a new row. Each row names the
head that `naiad.convert` builds for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from naiad.core.contracts import Task
from naiad.core.encoder import EncoderSpec
from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.tasks.answering import AnsweringTask
from naiad.tasks.checkpoint import Checkpoint
from naiad.tasks.classification import ClassificationTask
from naiad.tasks.embedding import EmbeddingTask
from naiad.tasks.entities import EntitiesTask
from naiad.tasks.fill_mask import FillMaskTask
from naiad.tasks.parts import TaskParts
from naiad.tasks.ranking import RankingTask
from naiad.tasks.tensors import TensorsTask
from naiad.tasks.text.loading import load_tokenizer
from naiad.tasks.zero_shot import ZeroShotTask


@dataclass(frozen=True, slots=True)
class _Row:
    head: str
    """Name of the convert head."""
    build: Callable[[TaskParts], Task]


_TABLE: dict[str, _Row] = {
    "feature-extraction": _Row("embedding", EmbeddingTask),
    "sentence-similarity": _Row("embedding", EmbeddingTask),
    "text-classification": _Row("sequence-classification", ClassificationTask),
    "zero-shot-classification": _Row("sequence-classification", ZeroShotTask),
    "text-ranking": _Row("sequence-classification", RankingTask),
    "token-classification": _Row("token-classification", EntitiesTask),
    "question-answering": _Row("question-answering", AnsweringTask),
    "fill-mask": _Row("masked-lm", FillMaskTask),
}

KNOWN_TASKS: tuple[str, ...] = tuple(_TABLE)
"""Names of all tasks: the Hub's pipeline tags."""

_BY_ARCHITECTURE = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "BertForPreTraining": "fill-mask",
    "AlbertForPreTraining": "fill-mask",
    "Model": "feature-extraction",
}
"""How the names of transformers' classes end, and what they are for."""


def head_for(task: str) -> str:
    """The convert head a task runs on: embedding, sequence-classification, token-classification and so on.

    Raises InvalidConfiguration for an unknown task.
    """
    return _row(task).head


def infer_task(folder: Path) -> str:
    """The task of the checkpoint in `folder`, from config.json, modules.json and the model card.

    Raises LoadFailed where they do not tell, or tell of a task that is not known.
    """
    checkpoint = Checkpoint(folder)
    tag = pipeline_tag(folder)
    if checkpoint.sentence_settings.get("model_type") == "CrossEncoder":
        return "text-ranking" if checkpoint.label_count == 1 else "text-classification"
    if checkpoint.is_sentence_transformer:
        return tag if tag in ("feature-extraction", "sentence-similarity") else "feature-extraction"
    task = _task_of_architecture(checkpoint.architecture)
    if task == "text-classification":
        return _refine_classification(checkpoint, tag)
    if task == "fill-mask" and tag in ("feature-extraction", "sentence-similarity"):
        return tag
    if task:
        return task
    if tag in _TABLE:
        return tag
    raise LoadFailed(
        f"the task of {folder} cannot be told from architecture '{checkpoint.architecture}' and pipeline tag '{tag}'; "
        f"set it to one of: {', '.join(KNOWN_TASKS)}",
        folder=str(folder),
    )


def build_task(name: str, folder: Path, spec: EncoderSpec, options: Mapping[str, Any] | None = None) -> Task:
    """Make the task `name` for the checkpoint in `folder`, whose encoder says `spec` of itself.

    `options` are defaults for the task's parameters. Raises InvalidConfiguration for an unknown task, a task that does
    not fit the head, and bad options; LoadFailed for a tokenizer or config that is missing or wrong.
    """
    row = _row(name)
    if row.head != spec.head:
        raise InvalidConfiguration(
            f"task '{name}' needs a checkpoint with the head '{row.head}', this one has '{spec.head}'",
            task=name,
            head=spec.head,
        )
    checkpoint = Checkpoint(folder)
    return row.build(TaskParts(name, checkpoint, load_tokenizer(checkpoint.body, spec), spec, options or {}))


def build_tensors(folder: Path, spec: EncoderSpec) -> Task:
    """Make the raw-tensor view of the checkpoint in `folder`. Raises LoadFailed for a bad config.json."""
    return TensorsTask(Checkpoint(folder), spec)


def pipeline_tag(folder: Path) -> str:
    """`pipeline_tag` of the model card's front matter; empty where there is none."""
    path = folder / "README.md"
    card = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    front = re.match(r"---\s*\n(.*?)\n---", card, re.DOTALL)
    found = re.search(r"^pipeline_tag:\s*[\"']?([\w-]+)", front[1], re.MULTILINE) if front else None
    return found[1] if found else ""


def _row(task: str) -> _Row:
    if task not in _TABLE:
        close = get_close_matches(task, KNOWN_TASKS, 1)
        hint = f"did you mean '{close[0]}'? Known are" if close else "known are"
        raise InvalidConfiguration(f"unknown task '{task}'; {hint} {', '.join(KNOWN_TASKS)}", task=task)
    return _TABLE[task]


def _task_of_architecture(architecture: str) -> str:
    for ending, task in _BY_ARCHITECTURE.items():
        if architecture.endswith(ending):
            return task
    return ""


def _refine_classification(checkpoint: Checkpoint, tag: str) -> str:
    """Sequence classifiers serve three tasks; the card and the labels tell which was meant."""
    if checkpoint.label_count == 1 and tag in ("", "text-ranking"):
        return "text-ranking"
    if tag == "zero-shot-classification" and checkpoint.entailment_id is not None:
        return tag
    return "text-classification"
