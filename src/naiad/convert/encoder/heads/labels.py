"""How many labels a classifier has: its weights tell, and config.json must agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.convert.encoder.bodies.body import Body
from naiad.core.errors import LoadFailed


def count_labels(body: Body, module: str, config: Mapping[str, Any]) -> int:
    """How many labels the weights have; config.json must not say otherwise."""
    shape = body.weights.shape(f"{module}.weight")
    named = config.get("id2label")
    if isinstance(named, dict) and named and len(named) != shape[0]:
        raise LoadFailed(
            f"config.json names {len(named)} labels in id2label, but the weight {module}.weight has {shape[0]} rows"
        )
    return shape[0]
