"""The servers that Triton's clients are tried on, and one view of the four clients."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.testing import RunningServer, running_server

# import-mode importlib leaves sys.path alone; the tests of this folder share `side.py`, and a model with another.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "wire" / "decoupled")]

from repeat_model import Repeat  # noqa: E402

MODELS = Path(__file__).parents[1] / "data" / "model_repository"


class Served:
    """A running server with everything on that a client can ask for, and the models whose answers a test decides."""

    def __init__(self, running: RunningServer) -> None:
        self.running = running
        self.repeat = Repeat()
        """Decoupled."""
        self.plain = Repeat("plain", decoupled=False)

        async def add() -> None:
            for model in (self.repeat, self.plain):
                running.server.engine.catalog.add(model)

        running.run(add)


@pytest.fixture(scope="module")
def transport(request: pytest.FixtureRequest) -> str:
    """Of gRPC; tests choose it with `side`."""
    return str(request.param)


@pytest.fixture(scope="module")
def served(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("simple", "simple_string"):
        shutil.copytree(MODELS / name, folder / name)
    with running_server(
        str(folder),
        model_control_mode="explicit",
        load_model=("*",),
        allow_client_shm=True,
        allow_setting_changes=True,
        grpc_transport=transport,
        trace_config=(f"triton,file={folder}.trace",),
    ) as running:
        assert running.all_loaded
        yield Served(running)
