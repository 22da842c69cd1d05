"""What happened in the response cache: its numbers, and the metrics that show them. Names and texts are Triton's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from naiad.observe.exposition import Family


@dataclass(slots=True)
class CacheStatistics:
    """The numbers of one cache. Written on the event loop's thread only."""

    size_bytes: int
    """What it may hold."""
    used_bytes: int = 0
    entries: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    """Answers that made room for others, or grew too old."""
    lookup_s: float = 0.0
    insertion_s: float = 0.0


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


def cache_families(cache: CacheStatistics) -> Iterator[Family]:
    """Give the metrics of a cache, in the order of `METRICS`."""
    values = (
        cache.used_bytes / cache.size_bytes,
        cache.entries,
        cache.hits + cache.misses,
        cache.hits,
        cache.misses,
        cache.evictions,
        round(cache.lookup_s * 1e6),
        round(cache.insertion_s * 1e6),
    )
    for (name, text), value in zip(METRICS, values, strict=True):
        family = Family(name, text, "gauge")
        family.add({}, value)
        yield family
