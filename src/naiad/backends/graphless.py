"""What backends without a model file share: there is nothing to complete a configuration from, or to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.contracts import LoadRequest
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed


class Graphless:
    """Two thirds of a `Backend`; the backend itself says its name and how it loads."""

    name: str

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG002 — there is no file to ask
        """Leave the configuration as it is."""
        return config

    def inspect(self, request: LoadRequest) -> Ports:
        """Raise LoadFailed: there is no graph."""
        raise LoadFailed(f"model '{request.tensors.config.name}': {self.name} has no graph to look at")
