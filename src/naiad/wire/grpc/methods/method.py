"""What a unary method that is not inference looks like to the servicer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Answer = Mapping[str, Any]
"""An answer as JSON values."""

Waited = asyncio.Future[Answer] | asyncio.Future[None]
"""An answer that takes its time; None: the empty one."""

Method = Callable[[Any], Answer | Waited]
"""Takes the request message; gives the answer, or what to wait for; or raises NaiadError, which the future may, too."""
