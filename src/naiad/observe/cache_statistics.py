"""What happened in the response cache: its numbers, and the metrics that show them. Names and texts are Triton's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from naiad.observe.metrics.exposition import Family


@dataclass(slots=True)
class CacheStatistics:
    """The numbers of one cache. Written on the event loop's thread only."""

    size_bytes: int = 0
    """What it may hold."""
    is_shared: bool = False
    """With other servers, in a place of its own: how much there is of what is not known."""
    used_bytes: int = 0
    entries: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    """Answers that made room for others, or grew too old."""
    lookup_s: float = 0.0
    insertion_s: float = 0.0
    failures: int = 0
    """Times that a shared one did not answer, or refused something."""
    is_available: bool = True
    """A shared one answers."""


METRICS = (
    ("nv_cache_util", "Cache utilization [0.0 - 1.0]"),
    ("nv_cache_num_entries", "Number of responses stored in response cache"),
    ("nv_cache_num_lookups", "Number of cache lookups in response cache"),
    ("nv_cache_num_hits", "Number of cache hits in response cache"),
    ("nv_cache_num_misses", "Number of cache misses in response cache"),
    ("nv_cache_num_evictions", "Number of cache evictions in response cache"),
    ("nv_cache_lookup_duration", "Total cache lookup duration (hit and miss), in microseconds"),
    ("nv_cache_insertion_duration", "Total cache insertion duration, in microseconds"),
)
"""Gauges, as in Triton, though most of them only grow; where there is a cache."""

LOCAL_ONLY = ("nv_cache_util", "nv_cache_num_entries", "nv_cache_num_evictions")
"""Those of them that a shared cache has not."""

SHARED_METRICS = (
    ("naiad_cache_available", "gauge", "Whether the shared response cache answers: 1, or 0"),
    ("naiad_cache_failures_total", "counter", "Number of times the shared response cache did not answer or refused"),
)
"""Where there is a shared cache."""


def cache_families(cache: CacheStatistics) -> Iterator[Family]:
    """Give the metrics of a cache, in the order of `METRICS`."""
    values = (
        cache.used_bytes / cache.size_bytes if cache.size_bytes else 0.0,
        cache.entries,
        cache.hits + cache.misses,
        cache.hits,
        cache.misses,
        cache.evictions,
        round(cache.lookup_s * 1e6),
        round(cache.insertion_s * 1e6),
    )
    rows = [(name, "gauge", text, value) for (name, text), value in zip(METRICS, values, strict=True)]
    if cache.is_shared:
        rows = [row for row in rows if row[0] not in LOCAL_ONLY]
        shared = (float(cache.is_available), float(cache.failures))
        rows += [(*row, value) for row, value in zip(SHARED_METRICS, shared, strict=True)]
    for name, kind, text, value in rows:
        family = Family(name, text, kind)
        family.add({}, value)
        yield family
