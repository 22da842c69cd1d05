"""Latencies as transformer-deploy printed them: one line of statistics for each way to run a model. Pure arithmetic."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.errors import InvalidConfiguration

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How many inputs run together, and how many tokens each has."""

    rows: int
    tokens: int
    """0: the real lengths of the inputs."""

    def __str__(self) -> str:
        return f"{self.rows}x{self.tokens}" if self.tokens else f"{self.rows} of real length"


@dataclass(frozen=True, slots=True)
class Latencies:
    """One line of the table."""

    label: str
    shape: Shape
    seconds: tuple[float, ...]
    bytes_on_disk: int
    resident_bytes: int
    difference: float | None
    """Largest difference to the reference as a part of the scale; None: it is the reference, or was not compared."""

    @property
    def texts_per_s(self) -> float:
        """Inputs a second, one batch after the other."""
        return self.shape.rows / statistics.fmean(self.seconds)

    def milliseconds(self) -> dict[str, float]:
        """Statistics under transformer-deploy's names."""
        ms = np.array(self.seconds) * 1e3
        return {
            "mean": float(ms.mean()),
            "sd": float(ms.std()),
            "min": float(ms.min()),
            "max": float(ms.max()),
            "median": float(np.median(ms)),
            "95p": float(np.percentile(ms, 95)),
            "99p": float(np.percentile(ms, 99)),
        }

    def line(self) -> str:
        """For people, and for whoever reads transformer-deploy's lines."""
        parts = [f"{name}={value:.2f}ms" for name, value in self.milliseconds().items()]
        parts.append(f"texts/s={self.texts_per_s:.1f}")
        parts.append(f"disk={self.bytes_on_disk / MB:.1f}MB")
        parts.append(f"memory={self.resident_bytes / MB:.0f}MB")
        if self.difference is not None:
            parts.append(f"difference={self.difference:.1g}")
        return f"[{self.label}] {', '.join(parts)}"

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "label": self.label,
            "shape": str(self.shape),
            "measures": len(self.seconds),
            "milliseconds": self.milliseconds(),
            "texts_per_s": self.texts_per_s,
            "bytes_on_disk": self.bytes_on_disk,
            "resident_bytes": self.resident_bytes,
            "difference": self.difference,
        }


def read_shapes(text: str) -> tuple[Shape, ...]:
    """`1x16,8x128`: inputs x tokens. Raises InvalidConfiguration."""
    shapes = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9]\d{0,4})x([1-9]\d{0,5})\s*", part)
        if match is None:
            raise InvalidConfiguration(f"--shapes: '{part}' is not inputs x tokens; write 1x16,8x128,32x384")
        shapes.append(Shape(int(match[1]), int(match[2])))
    return tuple(shapes)


def table_lines(machine: str, table: Sequence[Latencies]) -> list[str]:
    """The whole table, by shape."""
    lines = [f"Inference done on {machine}"]
    for shape in dict.fromkeys(row.shape for row in table):
        lines.append(f"latencies, {shape}:")
        lines += [row.line() for row in table if row.shape == shape]
    return lines
