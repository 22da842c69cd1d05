"""Whether clients may change what is logged and traced while the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import Unsupported


def check_may_change(kind: str, change: Mapping[str, Any], may_change: bool) -> None:
    """Raise Unsupported for a change of settings where clients may make none; kind: log or trace."""
    if change and not may_change:
        raise Unsupported(
            f"Changes of {kind} settings are disabled. Start the server with '--allow-setting-changes' to enable."
        )
