"""What hooks hand over for the metrics page: numbers and words of the variables that are declared, nothing else."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np


class Collected:
    """The custom statistics of one request."""

    def __init__(self, declared: Collection[str]) -> None:
        """declared: names of variables."""
        self._declared = declared
        self._found: dict[str, Any] = {}

    def update(self, *values: Any, **more: Any) -> None:
        """Take values, as `dict.update` does; this is `collect_custom_statistics_fn`."""
        self._found.update(*values, **more)

    def values(self, body: Any, answer: Any) -> dict[str, list[float | str]]:
        """Return those that are declared; the answer's fields go before the body's, and these before what hooks gave.

        A list counts as several values.
        """
        found = dict(self._found)
        for document in (body, answer):
            if isinstance(document, Mapping):
                found.update({name: document[name] for name in self._declared if name in document})
        kept = {name: _kept(found[name]) for name in self._declared if name in found}
        return {name: values for name, values in kept.items() if values}


def _kept(value: Any) -> list[float | str]:
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    values = value if isinstance(value, (list, tuple)) else [value]
    plain = [one.item() if isinstance(one, np.generic) else one for one in values]
    return [
        one if isinstance(one, str) else float(one)
        for one in plain
        if isinstance(one, str) or (isinstance(one, (bool, int, float)) and math.isfinite(one))
    ]
