"""`simple` over HTTP JSON: what a server costs when the model costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contender import SIMPLE, Files, Peer
from match import Items, Pace, best_setting, meet, note

CONCURRENCIES = (1, 8, 32)
PAIR = (list(range(16)), [1] * 16)


def measure(peers: Sequence[Peer], pace: Pace, files: Files) -> dict[str, object]:
    """Settings by contender; in each round, every contender's figures by concurrency."""
    first, second = np.array(PAIR)
    items = Items([PAIR], np.array([[first + second, first - second]]))
    settings = {peer.name: best_setting(peer, SIMPLE, items, pace, files) for peer in peers}
    rounds = []
    for number in range(pace.rounds):
        figures = {}
        for peer in peers[::-1] if number % 2 else peers:  # alternate, so that nobody always comes last
            figures[peer.name] = meet(peer, SIMPLE, settings[peer.name], items, CONCURRENCIES, pace, files)
            rates = ", ".join(f"{f['per_second']:.0f}/s at {c}" for c, f in figures[peer.name].items())
            note(f"  simple, round {number + 1}: {peer.name} {rates}")
        rounds.append(figures)
    return {"settings": {name: setting.words for name, setting in settings.items()}, "rounds": rounds}
