"""What `--metrics-config` says: which latency metrics there are, as counters, summaries and histograms.

    counter_latencies=true  summary_latencies=false  histogram_latencies=false
    summary_quantiles=0.5:0.05,0.9:0.01,0.95:0.001,0.99:0.001,0.999:0.001

The words and defaults are Triton's; an unknown setting or value is an error. A quantile's allowed error, behind the
colon, must be a number, and then does not matter: ours are nearer than any that is usual (`recent.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from naiad.core.errors import InvalidConfiguration

_SWITCHES = {"counter_latencies": "counters", "summary_latencies": "summaries", "histogram_latencies": "histograms"}
_QUANTILES = "summary_quantiles"


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """Which latency metrics there are."""

    counters: bool = True
    """The five of the names `nv_inference_…_duration_us`."""
    summaries: bool = False
    """The five of the names `nv_inference_…_summary_us`."""
    quantiles: tuple[float, ...] = (0.5, 0.9, 0.95, 0.99, 0.999)
    """Of summaries; each between 0 and 1."""
    histograms: bool = False
    """The time to the first response, of decoupled models."""


def read_metrics_config(lines: Iterable[str]) -> LatencyOptions:
    """Read the values of `--metrics-config`, each SETTING=VALUE; the last one counts. Raises InvalidConfiguration."""
    found: dict[str, bool | tuple[float, ...]] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name or not value:
            raise InvalidConfiguration(f"--metrics-config option format is <setting>=<value>. Got {line}")
        if name == _QUANTILES:
            found["quantiles"] = tuple(_quantile(pair) for pair in value.split(","))
        elif name not in _SWITCHES:
            known = ", ".join((*_SWITCHES, _QUANTILES))
            raise InvalidConfiguration(f"--metrics-config '{line}': unknown setting '{name}'; known: {known}")
        elif value not in ("true", "false"):
            raise InvalidConfiguration(f"--metrics-config '{line}': {name} must be true or false")
        else:
            found[_SWITCHES[name]] = value == "true"
    return LatencyOptions(**found)  # type: ignore[arg-type]  # each name has its type above


def _quantile(pair: str) -> float:
    which, _, error = pair.partition(":")
    try:
        quantile, allowed = float(which), float(error)
    except ValueError:
        quantile = allowed = -1.0
    if not (0 <= quantile <= 1 and 0 <= allowed <= 1):
        raise InvalidConfiguration(
            f"--metrics-config {_QUANTILES}: '{pair}' must be <quantile>:<error>, both between 0 and 1, as 0.99:0.001"
        )
    return quantile
