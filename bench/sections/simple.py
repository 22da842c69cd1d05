"""`simple` over HTTP JSON: what a server costs when the model costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contender import SIMPLE, Files, Peer, Setting
from match import Items, Pace, best_settings, meet, meet_at_best, note, rates_in_words, settings_in_words

CONCURRENCIES = (1, 8, 32)
TRITON = "Triton"
SAME_CONFIG = {"Triton, same config.pbtxt": Setting(), "Triton, batcher on": Setting(batch=8)}
"""One instance, as the model's own configuration says; without and with dynamic batching. The aims are against the
second, which Naiad's own batching corresponds to."""

PAIR = (list(range(16)), [1] * 16)


def measure(peers: Sequence[Peer], pace: Pace, files: Files) -> dict[str, object]:
    """Settings by contender; in each round, every contender's figures by concurrency."""
    first, second = np.array(PAIR)
    items = Items([PAIR], np.array([[first + second, first - second]]))
    settings = {peer.name: best_settings(peer, SIMPLE, items, CONCURRENCIES, pace, files) for peer in peers}
    rounds = []
    for number in range(pace.rounds):
        figures = {}
        for peer in peers[::-1] if number % 2 else peers:  # alternate, so that nobody always comes last
            figures[peer.name] = meet_at_best(peer, SIMPLE, settings[peer.name], items, pace, files)
            note(f"  simple, round {number + 1}: {peer.name} {rates_in_words(figures[peer.name])}")
            if peer.name == TRITON:
                for name, setting in SAME_CONFIG.items():
                    figures[name] = meet(peer, SIMPLE, setting, items, CONCURRENCIES, pace, files)
                    note(f"  simple, round {number + 1}: {name} {rates_in_words(figures[name])}")
        rounds.append(figures)
    return {"settings": settings_in_words(settings), "rounds": rounds}
