"""What a model's runs cost on this machine: found beside its prepared files, or measured once and kept there."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from naiad.core.contracts import Instances
from naiad.core.machine.cache_folders import default_cache
from naiad.core.machine.cores import available_cores
from naiad.core.settings.config import ModelSettings
from naiad.repository import ModelEntry
from naiad.scheduling.decision import Policy
from naiad.scheduling.kinds import ONE_BY_ONE
from naiad.scheduling.learned.batching import LearnedBatching
from naiad.scheduling.learned.curve import Curve
from naiad.scheduling.learned.measuring import measure
from naiad.scheduling.learned.rule import LearnedRule
from naiad.scheduling.tokens import TokenRule, decide_packed, decide_padded

_log = logging.getLogger("naiad.loading")


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Which runs of a model are worth measuring, in tokens."""

    limit: int
    """Tokens of one batch, never more; 1: items run alone."""
    assumed: int
    """Fast on most machines: what is used where nothing can be measured, and up to which times are believed to go on as
    they began where there was no time to measure more."""
    pads: bool = False
    """Items of a run are padded to the longest."""


def choose_policy(entry: ModelEntry, settings: ModelSettings, instances: Instances[Any], sizes: BatchSizes) -> Policy:
    """The manifest's batch size before what is measured, and that before what is assumed.

    Blocks for up to two seconds the first time.
    """
    chosen, max_delay_s = entry.batching.max_tokens_per_batch, entry.batching.max_queue_delay_ms / 1000.0
    if not settings.batching or (chosen and sizes.limit == 1):
        return ONE_BY_ONE
    if not chosen:
        learned = learn_batching(entry.name, instances, sizes, max_delay_s=max_delay_s)
        if learned is not None:
            return learned
    rule = TokenRule(chosen or sizes.assumed, max_delay_s=max_delay_s)
    return partial(decide_padded if sizes.pads else decide_packed, rule=rule)


def learn_batching(
    name: str, instances: Instances[Any], sizes: BatchSizes, *, max_delay_s: float = 0.0
) -> LearnedBatching | None:
    """The batching that suits what the model's runs cost; None where that cannot be measured. Says so in the log."""
    if instances.samples is None:
        return None
    curve = _known(instances) or _measured(instances, sizes.limit)
    if curve is None:
        return None
    most = min(sizes.limit, max(sizes.assumed, curve.busy_together.most))
    rule = LearnedRule(curve, len(instances.narrow), most, sizes.pads, max_delay_s=max_delay_s)
    batching = LearnedBatching(rule)
    _log.info("%s: %s", name, describe(batching))
    return batching


def describe(batching: LearnedBatching) -> str:
    """What is chosen and why, in a sentence."""
    rule, curve, tokens = batching.rule, batching.rule.curve, batching.chosen_tokens
    usual = batching.usual_tokens
    alone_ms = curve.busy_alone.seconds(usual) / usual * 1e5
    if tokens:
        together_ms = curve.busy_together.seconds(tokens) / tokens * 1e5
        what = f"packs of up to {tokens} tokens ({together_ms:.1f} ms/100 tokens together, {alone_ms:.1f} alone)"
    else:
        pack = curve.busy_together
        least_ms = min(seconds / size for size, seconds in pack.points) * 1e5
        what = f"one text at a time ({alone_ms:.1f} ms/100 tokens alone, {least_ms:.1f} together)"
    lone = f"{available_cores()} cores" if rule.prefers_wide(usual) else "one core"
    return f"{what}; lone texts on {lone}"


def _measured(instances: Instances[Any], limit: int) -> Curve | None:
    assert instances.samples is not None
    found = measure(instances, instances.samples, limit)
    if found.curve is not None and not found.is_disturbed:
        _keep(instances, found.curve)
    return found.curve


def _known(instances: Instances[Any]) -> Curve | None:
    for path in _places(instances):
        with suppress(OSError, ValueError):
            return Curve.from_json(path.read_text(encoding="utf-8"))
    return None


def _keep(instances: Instances[Any], curve: Curve) -> None:
    """Write it where it will be found. Where nothing can be written, the next start measures again."""
    for path in _places(instances):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".making-", delete=False) as file:
                file.write(curve.to_json())
            Path(file.name).replace(path)
        except OSError:
            continue
        return


def _places(instances: Instances[Any]) -> Iterator[Path]:
    """Files that may hold the times: beside the prepared graph, or in the cache where that is read-only."""
    if instances.notes is None:
        return
    wide = "" if instances.wide is None else "-wide"
    name = f"times-{len(instances.narrow)}-of-{available_cores()}{wide}.json"
    yield instances.notes / name
    key = hashlib.sha256(os.fsencode(instances.notes.resolve())).hexdigest()[:16]
    yield default_cache() / "times" / key / name
