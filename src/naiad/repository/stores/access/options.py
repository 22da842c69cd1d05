"""What all stores have in common when their clients are set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VARIABLE = "TRITON_CLOUD_CREDENTIAL_PATH"

_YES = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Access:
    """What the client of one store is made with."""

    options: Mapping[str, Any] = field(repr=False)
    """As obstore names them."""
    how: str
    """In words, without secrets, for messages."""
    emulator: str = ""
    """Address of a server that stands in for Google's store and takes uploads by its JSON API; empty: none."""

    @property
    def is_plain(self) -> bool:
        """Whether it goes over http; only where an address says so."""
        return str(self.options.get("endpoint") or self.options.get("base_url") or "").startswith("http://")


def filled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    return {name: value for name, value in options.items() if value}


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable says yes."""
    return environ.get(name, "").lower() in _YES
