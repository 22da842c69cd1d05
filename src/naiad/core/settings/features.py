"""The groups of things a client can ask for; restrictions and permissions speak of these.

Names are Triton's (its restricted_features.h), so that `--http-restricted-api` takes the same words.
"""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """What a route or an RPC belongs to."""

    HEALTH = "health"
    METADATA = "metadata"
    INFERENCE = "inference"
    SHARED_MEMORY = "shared-memory"
    MODEL_CONFIG = "model-config"
    MODEL_REPOSITORY = "model-repository"
    STATISTICS = "statistics"
    TRACE = "trace"
    LOGGING = "logging"
    METRICS = "metrics"
    """Ours alone: Triton's metrics port cannot be restricted."""
