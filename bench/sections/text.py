"""MiniLM at concurrency 32 on texts of mixed length, against bare ONNX Runtime in process and against the peers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contender import FP32, Files, Peer
from match import Items, Pace, best_settings, meet_at_best, note, settings_in_words
from texts import make_texts

CONCURRENCY = 32
BARE = Path(__file__).parent.parent / "bare.py"


def measure(job: str, peers: Sequence[Peer], pace: Pace, files: Files) -> dict[str, object]:
    """Settings by contender; in each round, the bare policies' rates and every contender's figures."""
    items = text_items(files)
    settings = {peer.name: best_settings(peer, job, items, (CONCURRENCY,), pace, files) for peer in peers}
    rounds = []
    for number in range(pace.rounds):
        bare = run_bare("throughput", job, files, "--seconds", str(pace.seconds / 2))
        note(f"  {job}, round {number + 1}: " + ", ".join(f"{name} {rate:.0f}/s" for name, rate in bare.items()))
        served = {}
        for peer in peers[::-1] if number % 2 else peers:
            served[peer.name] = meet_at_best(peer, job, settings[peer.name], items, pace, files)[CONCURRENCY]
            note(f"  {job}, round {number + 1}: {peer.name} {served[peer.name]['per_second']:.0f}/s")
        rounds.append({"bare": bare, "served": served})
    return {"settings": settings_in_words(settings), "rounds": rounds}


def text_items(files: Files) -> Items:
    """All texts, and the fp32 embeddings of the first sixteen."""
    return Items(make_texts(), np.array(run_bare("embeddings", FP32, files)))


def run_bare(kind: str, job: str, files: Files, *options: str) -> dict:
    """Run bare.py in a process of its own and read its figures. Raises RuntimeError with its words."""
    argv = [sys.executable, str(BARE), kind, job, "--graph", str(files.graphs[job])]
    argv += ["--checkpoint", str(files.checkpoint), *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"bare.py {kind} {job}: {done.stderr.strip()[-1500:]}")
    return json.loads(done.stdout)
