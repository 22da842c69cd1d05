"""What every door answers when asked about the server and its models; how it is written is the door's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidRequest, NotReady
from naiad.protocol.documents import model_metadata, server_metadata
from naiad.serving.engine import Engine


class Overview:
    """Reads the engine and its catalog; documents are JSON values, as over HTTP."""

    def __init__(self, engine: Engine, server_name: str) -> None:
        self._engine = engine
        self._catalog = engine.catalog
        self.server = server_metadata(server_name)
        """The server metadata."""

    @property
    def is_live(self) -> bool:
        """Whether the process is not stopping."""
        return not self._engine.is_stopping

    @property
    def is_ready(self) -> bool:
        """Whether every model that should be served is, and the process is not stopping."""
        return self._catalog.is_ready and not self._engine.is_stopping

    def is_model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model can answer now. Raises NotFound for one that there is not."""
        try:
            self._catalog.find(name, version)
        except NotReady:
            return False
        return True

    def metadata(self, name: str, version: str = "") -> dict[str, Any]:
        """Return the model metadata. Raises NotFound, NotReady."""
        served = self._catalog.find(name, version)
        return model_metadata(served.config, [version] if version else self._catalog.ready_versions(name))

    def config(self, name: str, version: str = "") -> Mapping[str, Any]:
        """Return the model configuration. Raises NotFound, NotReady."""
        return self._catalog.find(name, version).config.document

    def statistics(self, name: str = "", version: str = "") -> list[dict[str, Any]]:
        """Return the statistics of one model, one version, or (empty name) of all. Raises InvalidRequest."""
        rows = [
            served.statistics.as_json()
            for served in self._catalog.models()
            if name in ("", served.name) and version in ("", served.version)
        ]
        if name and not rows:
            if self._catalog.ready_versions(name):
                raise InvalidRequest(f"requested model version is not available for model '{name}'")
            raise InvalidRequest(f"requested model '{name}' is not available")
        return rows

    def index(self, *, only_ready: bool = False) -> list[dict[str, Any]]:
        """Return the rows of the repository index."""
        return self._catalog.index(only_ready=only_ready)
