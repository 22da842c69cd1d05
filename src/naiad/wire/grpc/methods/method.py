"""What a unary method that is not inference looks like to the servicer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Method = Callable[[Any], Mapping[str, Any]]
"""Takes the request message, gives the answer as JSON values, or raises NaiadError."""
