"""One text at a time: Naiad over HTTP against tokenizers and ONNX Runtime in process."""

from __future__ import annotations

from contender import Files
from match import Pace, meet, note
from peers.naiad import AUTOMATIC, Naiad
from sections.text import run_bare, text_items


def measure(job: str, pace: Pace, files: Files) -> dict[str, object]:
    """In each round, the bare sessions' and Naiad's latencies over all texts."""
    items = text_items(files)
    rounds = []
    for number in range(pace.rounds):
        bare = run_bare("latency", job, files)
        served = meet(Naiad(), job, AUTOMATIC, items, (1,), pace, files)[1]
        note(f"  latency {job}, round {number + 1}: Naiad {served['mean_ms']:.2f} ms, bare "
             + ", ".join(f"{name} {figures['mean_ms']:.2f} ms" for name, figures in bare.items()))  # fmt: skip
        rounds.append({"bare": bare, "served": served})
    return {"rounds": rounds}
