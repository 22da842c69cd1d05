"""Naiad with batching against Naiad one text at a time: batching must not cost anything, at any concurrency."""

from __future__ import annotations

from dataclasses import replace

from contender import Files
from match import Pace, meet, note, rates_in_words
from peers.naiad import AUTOMATIC, ONE_BY_ONE, Naiad
from sections.text import text_items

CONCURRENCIES = (1, 2, 4, 8, 32)


def measure(job: str, pace: Pace, files: Files) -> dict[str, object]:
    """In each round, the figures by concurrency with batching on and off."""
    pace = replace(pace, seconds=pace.seconds / 2)  # five concurrencies; a ratio of two like things needs less
    items = text_items(files)
    ways = [("on", AUTOMATIC), ("off", ONE_BY_ONE)]
    rounds = []
    for number in range(pace.rounds):
        figures = {}
        for name, setting in ways[::-1] if number % 2 else ways:
            figures[name] = meet(Naiad(), job, setting, items, CONCURRENCIES, pace, files)
            note(f"  batching {name}, {job}, round {number + 1}: {rates_in_words(figures[name])}")
        rounds.append(figures)
    return {"rounds": rounds}
