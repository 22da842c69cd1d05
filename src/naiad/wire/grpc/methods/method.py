"""What a unary method that is not inference looks like to the servicer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Answer = Mapping[str, Any]
"""An answer as JSON values."""

Method = Callable[[Any], Answer | asyncio.Future[None]]
"""Takes the request message; gives the answer, or what to wait for before the empty one; or raises NaiadError."""
