"""What a unary method that is not inference looks like to the servicer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Document = Mapping[str, Any]
"""An answer as JSON values."""

Waited = asyncio.Future[Document] | asyncio.Future[None]
"""An answer that takes its time; None: the empty one."""

Method = Callable[[Any], Document | Waited]
"""Takes the request message; gives the answer, or what to wait for; or raises NaiadError, which the future may, too."""
