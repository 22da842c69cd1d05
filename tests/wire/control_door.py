"""Both official clients as if they were one, and models for them to load; for the tests of model control."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.testing import RunningServer

httpclient = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed (requirements/dev.txt)")
grpcclient = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed (requirements/dev.txt)")

MODELS = Path(__file__).parents[1] / "data" / "model_repository"


def put(repository: Path, name: str, *versions: int, more: str = "") -> Path:
    """Write a working model, which adds and subtracts."""
    config = (MODELS / "simple" / "config.pbtxt").read_text().replace('"simple"', f'"{name}"')
    folder = repository / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(config + more)
    for version in versions or (1,):
        shutil.copytree(MODELS / "simple" / "1", folder / str(version), dirs_exist_ok=True)
    return folder


class Door:
    """One of the two clients, as if they were the same."""

    def __init__(self, kind: str, server: RunningServer) -> None:
        self.kind = kind
        self.module: Any = httpclient if kind == "http" else grpcclient
        self.server = server
        self.client = self.module.InferenceServerClient(server.address if kind == "http" else server.grpc_address)

    def index(self) -> dict[str, dict[str, str]]:
        """Name → version → state and reason."""
        rows = self.client.get_model_repository_index(**({} if self.kind == "http" else {"as_json": True}))
        found: dict[str, dict[str, str]] = {}
        for row in rows if self.kind == "http" else rows.get("models", []):
            state = " ".join(filter(None, (row.get("state", ""), row.get("reason", ""))))
            found.setdefault(row["name"], {})[row.get("version", "")] = state
        return found

    def settled(self) -> dict[str, dict[str, str]]:
        """The index once everything that was taken out of service has been closed."""
        self.server.run(self.server.server.control._models.released)
        return self.index()

    def inputs(self) -> list[Any]:
        inputs = [self.module.InferInput(f"INPUT{n}", [1, 16], "INT32") for n in (0, 1)]
        for tensor in inputs:
            tensor.set_data_from_numpy(np.ones((1, 16), np.int32))
        return inputs

    def infer(self, name: str, version: str = "") -> Any:
        return self.client.infer(name, self.inputs(), model_version=version)

    def config(self, name: str) -> Any:
        if self.kind == "http":
            return self.client.get_model_config(name)
        return self.client.get_model_config(name, as_json=True)["config"]

    def refused(self, call: str, *arguments: Any, **more: Any) -> tuple[str, str]:
        """Status and words of an error."""
        with pytest.raises(Exception, match=r".") as caught:
            getattr(self.client, call)(*arguments, **more)
        return caught.value.status(), caught.value.message()
