"""`simple` over HTTP JSON, the same request again and again: run inline, or answered from the response cache.

The model is the cheapest there is, so that nothing is left of a hit's price but the cache's own.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from contender import SIMPLE, Files
from match import Items, Pace, meet, note, rates_in_words
from peers.naiad import AUTOMATIC, Naiad
from sections.simple import PAIR

CONCURRENCIES = (1, 8, 32)
INLINE, CACHED = "run inline", "local cache"
CACHE = "response_cache { enable: true }\n"


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """In each round, figures by way and concurrency, the ways alternating."""
    first, second = np.array(PAIR)
    items = Items([PAIR], np.array([[first + second, first - second]]))
    ways = {
        INLINE: (Naiad(), files),
        CACHED: (Naiad("--cache-config", "local,size=1000000"), replace(files, repository=_cached(files))),
    }
    rounds = []
    for number in range(pace.rounds):
        figures = {}
        for name in [*ways][::-1] if number % 2 else [*ways]:
            peer, where = ways[name]
            figures[name] = meet(peer, SIMPLE, AUTOMATIC, items, CONCURRENCIES, pace, where)
            note(f"  caching, round {number + 1}: {name} {rates_in_words(figures[name])}")
        rounds.append(figures)
    return {"rounds": rounds}


def _cached(files: Files) -> Path:
    """The repository of `simple`, which asks for the cache there."""
    repository = files.folder / "caching"
    shutil.rmtree(repository, ignore_errors=True)
    shutil.copytree(files.repository, repository)
    config = repository / SIMPLE / "config.pbtxt"
    config.write_text(config.read_text() + CACHE)
    return repository
