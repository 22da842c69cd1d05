"""A model's statistics once everything is counted, which Triton does a moment after it has answered."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

_PATIENCE_S = 20.0
_LOOKS_S = 0.05


def settled_statistics(port: int, model: str, requests: int) -> dict[str, Any]:
    """Return them when so many requests are counted, answered or failed, and nothing changes any more."""
    end_s = time.monotonic() + _PATIENCE_S
    before, found = {}, _statistics(port, model)
    while (found != before or counted(found) < requests) and time.monotonic() < end_s:
        time.sleep(_LOOKS_S)
        before, found = found, _statistics(port, model)
    return found


def counted(statistics: dict[str, Any]) -> int:
    """Requests that they hold."""
    stages = statistics["inference_stats"]
    return int(stages["success"].get("count", 0)) + int(stages["fail"].get("count", 0))


def _statistics(port: int, model: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/stats", timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())["model_stats"][0]
        return found
