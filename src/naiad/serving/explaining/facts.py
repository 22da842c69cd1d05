"""What is known of a model's batches over some seconds: the difference of two looks at its statistics.

Pure but for `look`, which reads them. What it means is `diagnoses.py`, how it is said `words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from naiad.core.model.config import DynamicBatching, ModelConfig
from naiad.observe.starvation import PreprocessTimes
from naiad.scheduling.batching.tally import Tally
from naiad.scheduling.kinds import chooses_delay, takes_batches
from naiad.serving.model import ServedModel

BY_TOKENS = ("naiad_text", "naiad_image")
"""Platforms whose batches are made of tokens or patches and not of rows."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the statistics said at one moment."""

    at_s: float
    """Monotonic."""
    statistics: Mapping[str, Any]
    """One entry of `model_stats`."""
    refused: int
    """Requests that found the queue full, or waited there until their time was over."""
    waiting: int
    tally: Tally | None
    """None: the scheduler keeps none."""
    preprocess: PreprocessTimes | None = None
    """Of an endpoint."""


@dataclass(frozen=True, slots=True)
class Batching:
    """What the configuration allows."""

    most_rows: int
    """Of a batch; 0: requests have no rows."""
    joins: bool = True
    """Requests may share a batch."""
    chooses_delay: bool = False
    """The batcher decides how long to wait."""
    delay_s: float = 0.0
    preferred: tuple[int, ...] = ()
    """Other than (most_rows,)."""
    by_tokens: bool = False
    """Texts or images are joined by what they cost, whatever requests they came in."""
    sequences: bool = False
    """Requests belong to sequences, whose order counts."""
    steps: tuple[str, ...] = ()
    """Models of which it is an ensemble; it runs nothing itself."""

    @classmethod
    def of(cls, config: ModelConfig) -> Batching:
        """Read it off a configuration."""
        block = config.dynamic_batching or DynamicBatching()
        preferred = () if block.preferred_batch_sizes == (config.max_batch_size,) else block.preferred_batch_sizes
        by_tokens = config.platform in BY_TOKENS
        joins = by_tokens or (config.max_batch_size > 1 and takes_batches(config))
        return cls(
            config.max_batch_size,
            joins,
            joins and chooses_delay(config),
            block.max_queue_delay_s,
            preferred,
            by_tokens,
            config.sequence_batching is not None,
            tuple(dict.fromkeys(step.model for step in config.ensemble.steps)) if config.ensemble else (),
        )


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What happened to one step of an ensemble."""

    number: int
    model: str
    runs: int = 0
    took_s: float = 0.0
    """All runs together, in the model's hands."""
    waited_s: float = 0.0
    """All runs together, for others of the step: as many as `max_inflight_requests` were under way."""
    pending: int = 0
    """Runs that wait so at the end."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What happened in some seconds."""

    model: str
    version: str
    seconds: float
    batching: Batching
    requests: int = 0
    """Answered, those from the cache included."""
    hits: int = 0
    """Of these, from the response cache."""
    rows: int = 0
    queued_s: float = 0.0
    """All requests together, before their run."""
    took_s: float = 0.0
    """All requests together, from the first byte to the answer."""
    runs: Mapping[int, int] = field(default_factory=dict)
    """How many, by rows (of texts: by texts)."""
    ran_s: Mapping[int, float] = field(default_factory=dict)
    """All runs of so many rows together."""
    refused: int = 0
    waiting: int = 0
    """At the end."""
    instances: int = 1
    runs_inline: bool = False
    waits: int = 0
    waited_s: float = 0.0
    splits: int = 0
    limited: int = 0
    """Runs that had to ask the rate limiter."""
    limited_s: float = 0.0
    """How long they waited for their resources, all together."""
    limited_pending: int = 0
    """Runs that wait so at the end."""
    steps: tuple[StepFacts, ...] = ()
    """Of an ensemble."""
    usual_tokens: int = 0
    """Of a text; 0: not known."""
    tokens_chosen: int = 0
    """Of a run, where runs were measured; 0: each text runs alone."""

    @property
    def run_count(self) -> int:
        """Runs of all sizes."""
        return sum(self.runs.values())

    @property
    def mean_rows(self) -> float:
        """Rows of a run."""
        return sum(rows * count for rows, count in self.runs.items()) / max(1, self.run_count)

    @property
    def under_way(self) -> float:
        """Requests at a time, on average (Little's law)."""
        return self.took_s / self.seconds

    @property
    def busy(self) -> float:
        """Share of the time that instances ran."""
        return min(1.0, sum(self.ran_s.values()) / (self.seconds * self.instances))

    def run_s(self, rows: int) -> float:
        """What a run of so many rows took on average; it must be among `runs`."""
        return self.ran_s[rows] / self.runs[rows]


def look(model: ServedModel, now: float) -> Look:
    """Read a model's statistics."""
    statistics = model.statistics
    tally = statistics.tally() if statistics.tally is not None else None
    preprocess = None if statistics.preprocess is None else statistics.preprocess()
    refused = statistics.failures["REJECTED"]
    return Look(now, statistics.as_json(), refused, statistics.count_pending(), tally, preprocess)


def facts_between(before: Look, after: Look, config: ModelConfig) -> Facts:
    """What happened between two looks at the same loaded version."""
    old, new = before.statistics["inference_stats"], after.statistics["inference_stats"]
    runs, ran_s = _runs(before.statistics), _runs(after.statistics)
    count = {rows: ran_s[rows][0] - runs.get(rows, (0, 0.0))[0] for rows in ran_s}
    taken = {rows: ran_s[rows][1] - runs.get(rows, (0, 0.0))[1] for rows in ran_s}
    tally = after.tally or Tally(1, False, 0, 0.0, 0)
    earlier = before.tally or Tally(1, False, 0, 0.0, 0)
    learned = after.statistics.get("naiad_batching", {})

    def grown(stage: str, what: str) -> int:
        return int(new[stage][what] - old[stage][what])

    return Facts(
        model=str(after.statistics["name"]),
        version=str(after.statistics["version"]),
        seconds=max(after.at_s - before.at_s, 1e-3),
        batching=Batching.of(config),
        requests=grown("success", "count"),
        hits=grown("cache_hit", "count"),
        rows=after.statistics["inference_count"] - before.statistics["inference_count"],
        queued_s=grown("queue", "ns") / 1e9,
        took_s=grown("success", "ns") / 1e9,
        runs={rows: number for rows, number in count.items() if number},
        ran_s={rows: taken[rows] for rows, number in count.items() if number},
        refused=after.refused - before.refused,
        waiting=after.waiting,
        instances=tally.instances,
        runs_inline=tally.runs_inline,
        waits=tally.waits - earlier.waits,
        waited_s=tally.waited_s - earlier.waited_s,
        splits=tally.splits - earlier.splits,
        limited=_grown(before, after, "naiad_rate_limit", "wait", "count"),
        limited_s=_grown(before, after, "naiad_rate_limit", "wait", "ns") / 1e9,
        limited_pending=after.statistics.get("naiad_rate_limit", {}).get("pending", 0),
        steps=_steps(before.statistics.get("naiad_steps", []), after.statistics.get("naiad_steps", [])),
        usual_tokens=learned.get("usual_tokens", 0),
        tokens_chosen=learned.get("tokens_chosen", 0),
    )


def _grown(before: Look, after: Look, part: str, what: str, key: str) -> int:
    """How much a count in a part of the statistics that not every model has has grown."""
    old, new = (one.statistics.get(part, {}).get(what, {}).get(key, 0) for one in (before, after))
    return int(new - old)


def _steps(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> tuple[StepFacts, ...]:
    return tuple(
        StepFacts(
            new["step"],
            new["model"],
            new["run"]["count"] - old["run"]["count"],
            (new["run"]["ns"] - old["run"]["ns"]) / 1e9,
            (new["wait"]["ns"] - old["wait"]["ns"]) / 1e9,
            new["pending"],
        )
        for old, new in zip(before, after, strict=True)
    )


def _runs(statistics: Mapping[str, Any]) -> dict[int, tuple[int, float]]:
    """By rows: how many runs, and what they took together in seconds."""
    stages = ("compute_input", "compute_infer", "compute_output")
    return {
        row["batch_size"]: (row["compute_infer"]["count"], sum(row[stage]["ns"] for stage in stages) / 1e9)
        for row in statistics["batch_stats"]
    }
