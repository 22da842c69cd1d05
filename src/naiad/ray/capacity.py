"""How many requests one replica should hold at a time, by what its models can run at once.

Ray counts the requests that a replica has, whether they run or wait in it. So many as run at once make it busy, and
more than that wait: that is when another replica helps. As many again may wait in it, so that its batcher can choose
among them and no instance is ever idle; what is beyond waits in Ray's routers, for whichever replica is free first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import NaiadError
from naiad.core.settings.config import ModelSettings
from naiad.loading.sources import AnyOrigin, Origin, Sources
from naiad.loading.tensor_models import read_given
from naiad.repository import Entry

LEAST_AT_ONCE = 16
"""For each model: proxies and routers take milliseconds for each request, in which a quick model has answered many."""

UNKNOWN = 64
"""At once, of models of which nothing is known before they are loaded, such as checkpoints."""

_log = logging.getLogger("naiad.ray")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica takes."""

    at_once: int
    """Requests that run at the same time."""

    @property
    def most(self) -> int:
        """Requests that it should have: as many again wait."""
        return 2 * self.at_once


def capacity_of(entries: tuple[Entry, ...], settings: ModelSettings) -> Capacity:
    """Add up what the models of a server can run at once. Blocks; reads config.pbtxt, fetches nothing.

    Sources that cannot be read yet count as unknown models: whether they can be served is for the replica to say.
    """
    survey = Sources(entries, may_be_empty=True).survey()
    at_once = sum(_at_once(origin, settings) for origins in survey.origins.values() for origin in origins)
    return Capacity(max(at_once + UNKNOWN * len(survey.problems), LEAST_AT_ONCE) if entries else UNKNOWN)


def _at_once(origin: AnyOrigin, settings: ModelSettings) -> int:
    if not isinstance(origin, Origin) or not origin.is_triton or origin.folder is None:
        return UNKNOWN
    try:
        config = read_given(origin.folder, settings)
    except NaiadError:
        return UNKNOWN
    if "sequence_batching" in config:
        _log.warning(
            "'%s' keeps sequences, and Ray sends each request to any replica: send a whole sequence in one "
            "ModelStreamInfer, or set num_replicas: 1",
            origin.name,
        )
    if not config or "ensemble_scheduling" in config:
        return UNKNOWN
    return max(LEAST_AT_ONCE, max(1, int(config.get("max_batch_size", 0))) * _instances(config))


def _instances(config: Mapping[str, Any]) -> int:
    groups = config.get("instance_group") or [{}]
    return sum(max(1, int(group.get("count", 1))) for group in groups)
