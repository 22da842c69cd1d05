"""Running each variant of a conversion at each shape, one batch after the other, nothing else beside it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from naiad.convert.export.process import TorchProcess, has_torch
from naiad.convert.gate.runners import ROWS, Sample, stack
from naiad.core.machine.cores import available_cores
from naiad.loading.conversion.bench.latencies import Latencies, Shape
from naiad.loading.conversion.course import Outcome, Request, Variant

REAL = Shape(8, 0)
"""Besides the shapes that were asked for: inputs as long as they are."""

SETS = 10
"""Different batches that take turns."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """How long to measure."""

    shapes: tuple[Shape, ...]
    warmup: int = 3
    measures: int = 100
    most_s: float = 10.0
    """Seconds for one line, once 5 runs are measured; a large batch takes seconds."""


LEAST = 5


def measure(request: Request, outcome: Outcome, measuring: Measuring) -> list[Latencies]:
    """One line for each variant and shape; torch's first, where it is."""
    sets = {shape: batches(outcome.samples, shape) for shape in dict.fromkeys((*measuring.shapes, REAL))}
    table = list(_torch(request, sets, measuring)) if has_torch() else []
    for variant in outcome.variants:
        for shape, batch in sets.items():
            request.progress(f"measuring {variant.label}", 0, 0)
            table.append(_variant(variant, shape, batch, measuring))
    return table


def batches(samples: Sequence[Sample], shape: Shape) -> list[list[Sample]]:
    """Batches of a shape, made of the samples' own tokens; images and sound have the size they have."""
    texts = "input_ids" in samples[0]
    if not texts or not shape.tokens:
        usable = [{name: array for name, array in sample.items() if name != ROWS} for sample in samples]
        return [[usable[(first + row) % len(usable)] for row in range(shape.rows)] for first in range(SETS)]
    stream = np.concatenate([sample["input_ids"] for sample in samples])
    length = min(shape.tokens, max(len(sample["input_ids"]) for sample in samples))
    return [
        [{"input_ids": np.take(stream, np.arange(length) + (first * 31 + row) * length, mode="wrap")}
         for row in range(shape.rows)]
        for first in range(SETS)
    ]  # fmt: skip


def _variant(variant: Variant, shape: Shape, sets: Sequence[Sequence[Sample]], measuring: Measuring) -> Latencies:
    seconds: list[float] = []
    spent_s = 0.0
    for number in range(measuring.warmup + measuring.measures):
        began_s = time.perf_counter()
        variant.runner.run(sets[number % len(sets)])
        taken_s = time.perf_counter() - began_s
        spent_s += taken_s
        if number >= measuring.warmup:
            seconds.append(taken_s)
        if len(seconds) >= LEAST and spent_s > measuring.most_s:
            break
    return Latencies(
        variant.label, shape, tuple(seconds), variant.bytes_on_disk, variant.resident_bytes, variant.difference
    )


def _torch(request: Request, sets: dict[Shape, list[list[Sample]]], measuring: Measuring) -> Iterator[Latencies]:
    subject = request.subject
    size = sum(path.stat().st_size for path in weights_of(subject.folder))
    pad = int(subject.config.get("pad_token_id") or 0)
    with TorchProcess(subject.folder, subject.head, pickles=request.from_torch, progress=request.progress) as torch:
        for shape, chosen in sets.items():
            request.progress(f"measuring torch {torch.facts['torch']}", 0, 0)
            feeds = [{name: stack(name, batch, pad) for name in torch.facts["inputs"]} for batch in chosen]
            seconds, resident = torch.time(
                feeds, warmup=measuring.warmup, measures=measuring.measures, most_s=measuring.most_s
            )
            yield Latencies("Pytorch (FP32)", shape, tuple(seconds), size, resident, None)


def weights_of(folder: Path) -> list[Path]:
    """Files of a checkpoint that torch reads."""
    return [*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors"), *folder.glob("*.bin")]


def machine() -> str:
    """The processor's name, and how many cores may be used."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {available_cores()} of {os.cpu_count()} cores"
