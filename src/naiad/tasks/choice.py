"""The table of tasks, and making one for a checkpoint.

A new task is a new file in `text/` or `retrieval/` and a new row here. Each row names the head that `naiad.convert`
builds for it. Not here: which task a checkpoint is for (`recognise.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.contracts import TextTask
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidConfiguration
from naiad.core.nearest import did_you_mean
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.parts import TaskParts
from naiad.tasks.recognise import recognise_task
from naiad.tasks.retrieval.late import LateInteractionTask
from naiad.tasks.retrieval.maxsim import MaxSimTask
from naiad.tasks.retrieval.sparse import SparseEmbeddingTask
from naiad.tasks.text.answering import AnsweringTask
from naiad.tasks.text.classification import ClassificationTask
from naiad.tasks.text.embedding import EmbeddingTask
from naiad.tasks.text.entities import EntitiesTask
from naiad.tasks.text.fill_mask import FillMaskTask
from naiad.tasks.text.ranking import RankingTask
from naiad.tasks.text.tensors import TensorsTask
from naiad.tasks.text.zero_shot import ZeroShotTask
from naiad.tasks.tokenizing.loading import load_tokenizer


@dataclass(frozen=True, slots=True)
class _Row:
    head: str
    """Name of the convert head."""
    build: Callable[[TaskParts], TextTask]


_TABLE: dict[str, _Row] = {
    "feature-extraction": _Row("embedding", EmbeddingTask),
    "sentence-similarity": _Row("embedding", EmbeddingTask),
    "sparse-embedding": _Row("sparse-embedding", SparseEmbeddingTask),
    "late-interaction": _Row("late-interaction", LateInteractionTask),
    "text-classification": _Row("sequence-classification", ClassificationTask),
    "zero-shot-classification": _Row("sequence-classification", ZeroShotTask),
    "text-ranking": _Row("sequence-classification", RankingTask),
    "token-classification": _Row("token-classification", EntitiesTask),
    "question-answering": _Row("question-answering", AnsweringTask),
    "fill-mask": _Row("masked-lm", FillMaskTask),
}

_RANKING = "text-ranking"

_LATE_RANKING = _Row("late-interaction", MaxSimTask)
"""How late-interaction checkpoints rank."""

_TAKING_SHARES = frozenset({"text-classification", "text-ranking", "token-classification"})
"""Tasks for which it does not matter whether the graph makes shares of its logits."""

_COMPARED = frozenset({"embedding", "sparse-embedding", "late-interaction"})
"""Heads whose outputs clients compare with each other."""

KNOWN_TASKS: tuple[str, ...] = tuple(_TABLE)
"""Names of all tasks: the Hub's pipeline tags, and names of our own for what it has none for."""


def head_for(task: str, folder: Path | None = None) -> str:
    """The convert head a task runs on: embedding, sequence-classification, token-classification and so on.

    folder: the checkpoint's, because one task may run on several. Raises InvalidConfiguration for an unknown task.
    """
    if task == _RANKING and folder is not None and Checkpoint(folder).kind == "MultiVectorEncoder":
        return _LATE_RANKING.head
    return _row(task).head


def second_task(head: str) -> str:
    """A task that is served beside the first, under a name of its own; empty for heads with one task."""
    return _RANKING if head == _LATE_RANKING.head else ""


def infer_task(folder: Path) -> str:
    """The task of the checkpoint in `folder`, from config.json, modules.json and the model card; see `recognise.py`."""
    return recognise_task(Checkpoint(folder), KNOWN_TASKS)


def build_task(name: str, folder: Path, spec: EncoderSpec, options: Mapping[str, Any] | None = None) -> TextTask:
    """Make the task `name` for the checkpoint in `folder`, whose encoder says `spec` of itself.

    `options` are defaults for the task's parameters. Raises InvalidConfiguration for an unknown task, a task that does
    not fit the head, and bad options; LoadFailed for a tokenizer or config that is missing or wrong.
    """
    row = _LATE_RANKING if name == _RANKING and spec.head == _LATE_RANKING.head else _row(name)
    if row.head != spec.head:
        raise InvalidConfiguration(
            f"task '{name}' needs a checkpoint with the head '{row.head}', this one has '{spec.head}'",
            task=name,
            head=spec.head,
        )
    if spec.gives_shares and name not in _TAKING_SHARES:
        raise InvalidConfiguration(
            f"task '{name}' needs logits, and the ONNX file ends in a softmax or a sigmoid; export it without, or "
            "choose another output (`output:` in the manifest)",
            task=name,
        )
    checkpoint = Checkpoint(folder)
    return row.build(TaskParts(name, checkpoint, spec, options or {}, load_tokenizer(checkpoint.body, spec)))


def facts_of(task: str, folder: Path, options: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What clients should know of a model and cannot see in its tensors, for its configuration."""
    similarity = Checkpoint(folder).sentence_settings.get("similarity_fn_name")
    facts = {"similarity_fn_name": str(similarity)} if similarity and _row(task).head in _COMPARED else {}
    normalizes = str((options or {}).get("normalize", "")).lower() == "true"
    return {**facts, "normalize": "true"} if normalizes else facts


def build_tensors(folder: Path, spec: EncoderSpec) -> TextTask:
    """Make the raw-tensor view of the checkpoint in `folder`. Raises LoadFailed for a bad config.json."""
    return TensorsTask(Checkpoint(folder), spec)


def _row(task: str) -> _Row:
    if task not in _TABLE:
        hint = did_you_mean(task, KNOWN_TASKS)
        known = f"{' Known' if hint else '; known'} are {', '.join(KNOWN_TASKS)}"
        raise InvalidConfiguration(f"unknown task '{task}'{hint}{known}", task=task)
    return _TABLE[task]
