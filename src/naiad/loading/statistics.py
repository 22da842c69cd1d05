"""The statistics of a model version that is being loaded: the usual ones, or those that `--metrics-config` asks for."""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from math import isinf, isnan

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig
from naiad.core.settings.config import ModelSettings
from naiad.observe.measured import MeasuredStatistics
from naiad.observe.metrics.latencies import read_metrics_config
from naiad.observe.metrics.page import FIRST_RESPONSE, FIRST_RESPONSE_MS
from naiad.observe.statistics import ModelStatistics

_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_]*")
"""What may stand behind the underscore in a label's name; two of them are Prometheus' own."""

_log = logging.getLogger("naiad.loading")


def statistics_of(config: ModelConfig, version: str, settings: ModelSettings) -> ModelStatistics:
    """Make them, with the labels of the model's `metric_tags`.

    Raises LoadFailed for buckets of a histogram, or tags, that cannot be.
    """
    statistics = _statistics(config, version, settings)
    statistics.is_cached = config.uses_response_cache
    for tag, value in config.document.get("metric_tags", {}).items():
        if not _TAG.fullmatch(tag):
            raise LoadFailed(
                f"model '{config.name}': metric_tags: '{tag}' cannot be a label; use letters, digits and underscores, "
                "and begin with none of the latter",
                model=config.name,
            )
        statistics.labels[f"_{tag}"] = value
    return statistics


def _statistics(config: ModelConfig, version: str, settings: ModelSettings) -> ModelStatistics:
    latencies = read_metrics_config(settings.metrics_config)
    first_response_ms = _first_response_ms(config)
    if not (latencies.histograms and config.is_decoupled):
        first_response_ms = ()
    if not latencies.summaries and not first_response_ms:
        return ModelStatistics(config.name, version)
    return MeasuredStatistics(
        config.name, version, has_summaries=latencies.summaries, first_response_ms=first_response_ms
    )


def _first_response_ms(config: ModelConfig) -> tuple[float, ...]:
    """Bounds of the histogram's buckets: the model's own, else the usual ones."""
    bounds = FIRST_RESPONSE_MS
    for control in config.document.get("model_metrics", {}).get("metric_control", ()):
        family = control.get("metric_identifier", {}).get("family", "")
        if family == FIRST_RESPONSE[0]:
            bounds = tuple(float(bound) for bound in control.get("histogram_options", {}).get("buckets", ()))
        else:
            _log.warning("model '%s': model_metrics: the buckets of '%s' cannot be set", config.name, family)
    if bounds and isinf(bounds[-1]) and bounds[-1] > 0:
        bounds = bounds[:-1]  # there is always one without a bound
    if not bounds or any(map(isnan, bounds)) or any(left >= right for left, right in pairwise(bounds)):
        raise LoadFailed(
            f"model '{config.name}': model_metrics: the buckets of {FIRST_RESPONSE[0]} must be numbers in ascending "
            f"order, not {list(bounds)}",
            model=config.name,
        )
    return bounds
