"""What the doors can ask for: the same objects behind HTTP and gRPC, so that both answer alike."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.serving.engine import Engine
from naiad.serving.overview import Overview


@dataclass(frozen=True, slots=True)
class Services:
    """One set for each server."""

    engine: Engine
    overview: Overview
