"""Programs for sequences, written as Triton's examples are, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from naiad.testing import RunningServer

pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed (requirements/dev.txt)")

PROGRAM = Path(__file__).parents[1] / "programs" / "sequence_client.py"
WAYS = ["http", "http --aio", "grpc", "grpc --aio", "grpc --stream", "grpc --stream --aio"]


def run(server: RunningServer, way: str, *more: str) -> subprocess.CompletedProcess[str]:
    address = server.address if way.startswith("http") else str(server.grpc_address)
    command = [sys.executable, str(PROGRAM), "-u", address, "-i", *way.split(), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("way", WAYS)
def test_sequences_of_the_plain_model(server: RunningServer, way: str) -> None:
    done = run(server, way)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "[0] 1 : 101 : 21"
    assert lines[-1] == "PASS: Sequence"


@pytest.mark.parametrize("way", ["http", "grpc --stream", "grpc --stream --aio"])
def test_sequences_of_the_dynamic_models(server: RunningServer, way: str) -> None:
    done = run(server, way, "--dyna")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["[7] 1001 : 1000 : 993", "PASS: Sequence"]
