"""Answers that come later because a test asks for it: clients' time limits pass, inference does not wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import DELAY

grpc_client = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed (requirements/dev.txt)")
SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setenv(DELAY, "1")
    with running_server(str(SIMPLE), allow_http=True) as running:
        yield running


def test_everything_but_inference_comes_later(server: RunningServer) -> None:
    with grpc_client.InferenceServerClient(server.grpc_address) as client:
        for call in (client.is_server_live, client.get_server_metadata, client.get_model_repository_index):
            with pytest.raises(grpc_client.InferenceServerException, match="Deadline Exceeded"):
                call(client_timeout=0.2)
        began_s = time.monotonic()
        assert client.is_server_ready(client_timeout=30)
        assert time.monotonic() - began_s >= 1
