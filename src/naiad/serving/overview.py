"""What every door answers when asked about the server and its models; how it is written is the door's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from naiad.core.errors import InvalidRequest, NotFound, NotReady
from naiad.protocol.json.documents import model_metadata, server_metadata
from naiad.serving.catalog import version_number
from naiad.serving.control import FixedModels, ModelControl
from naiad.serving.engine import Engine
from naiad.serving.readiness import can_answer
from naiad.serving.states import VersionState


class Overview:
    """Reads the engine and its catalog; documents are JSON values, as over HTTP."""

    def __init__(
        self,
        engine: Engine,
        server_name: str,
        control: ModelControl = FixedModels(),  # noqa: B008 (has no state)
        *,
        strict_readiness: bool = True,
        jobs: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> None:
        """strict_readiness: be ready only when every model is that should be.

        jobs: gives what is to be told of a model's jobs, if any are taken.
        """
        self._jobs = jobs
        self._engine = engine
        self._catalog = engine.catalog
        self._control = control
        self._is_strict = strict_readiness
        self._is_leaving = False
        self.server = server_metadata(server_name)
        """The server metadata."""

    def leave(self) -> None:
        """Be ready no more, because the server is going to stop; requests are answered as ever."""
        self._is_leaving = True

    @property
    def is_live(self) -> bool:
        """Whether the process works; one that stops does until it is gone."""
        return not self._catalog.refusal

    @property
    def is_ready(self) -> bool:
        """Whether every model that should be served is, and the server is not going to stop."""
        stays = not self._is_leaving and not self._engine.is_stopping
        return stays and (not self._is_strict or self._catalog.is_ready)

    def is_model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model can answer now; one that there is not cannot.

        Raises InvalidRequest for a version that is no number, NotReady where no model can be asked for.
        """
        self._catalog.check()
        try:
            return can_answer(self._catalog.find(name, version))
        except (NotFound, NotReady):
            return False

    def metadata(self, name: str, version: str = "") -> dict[str, Any]:
        """Return the model metadata. Raises NotFound, NotReady."""
        served = self._catalog.find(name, version)
        return model_metadata(served.config, [served.version] if version else self._catalog.ready_versions(name))

    def config(self, name: str, version: str = "") -> Mapping[str, Any]:
        """Return the model configuration. Raises NotFound, NotReady."""
        return self._catalog.find(name, version).config.document

    def statistics(self, name: str = "", version: str = "") -> list[dict[str, Any]]:
        """Return the statistics of one model, one version, or (empty name) of all. Raises InvalidRequest, NotReady."""
        self._catalog.check()
        version = version and version_number(version)
        rows = [
            served.statistics.as_json() | ({} if self._jobs is None else {"naiad_jobs": self._jobs(served.name)})
            for served in self._catalog.models()
            if name in ("", served.name) and version in ("", served.version)
        ]
        if name and not rows:
            if self._catalog.ready_versions(name):
                raise InvalidRequest(f"requested model version is not available for model '{name}'")
            raise InvalidRequest(f"requested model '{name}' is not available")
        return rows

    async def index(self, *, only_ready: bool = False) -> list[dict[str, Any]]:
        """Return the rows of the repository index: versions by state, and models never loaded by name only.

        What two sources offer is one row that says so, whether or not it is loaded. Raises NotReady where no model can
        be asked for.
        """
        self._catalog.check()
        offered = {} if only_ready else await self._control.offered()
        rows = self._catalog.index()
        if only_ready:
            return [row for row in rows if row["state"] == VersionState.READY]
        rows = [row for row in rows if not offered.get(row["name"])]
        for name, problem in offered.items():
            if problem:
                rows.append({"name": name, "state": str(VersionState.UNAVAILABLE), "reason": problem})
            elif not self._catalog.knows(name):
                rows.append({"name": name})
        return sorted(rows, key=lambda row: str(row["name"]))
