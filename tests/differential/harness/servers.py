"""The pairs of servers, one for each configuration, and how a case is put to one of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import grpc
from cases.http import restricted

from harness.address import Address
from harness.case import Http, Raw, Step
from harness.compare import neutral
from harness.grpc_call import call_grpc
from harness.http_call import call_http
from harness.models import copy_python_models, write_repository
from harness.ports import free_ports
from harness.region import CONTENT
from harness.triton import running_triton
from naiad.testing import running_server


@dataclass(frozen=True)
class Configuration:
    """How both servers are started, in their own options."""

    triton: tuple[str, ...] = ()
    naiad: tuple[tuple[str, Any], ...] = ()
    has_python_models: bool = False
    """They serve `python_models`, the same files on both sides."""


_GRPC_RESTRICTED = ("model-repository,statistics:admin=secret", "trace:other=key")
CONFIGURATIONS = {
    "plain": Configuration(naiad=(("allow_client_shm", True),)),
    "explicit": Configuration(
        ("--model-control-mode=explicit", "--load-model=simple"),
        (("model_control_mode", "explicit"), ("load_model", ("simple",))),
    ),
    "restricted": Configuration(
        tuple(f"--http-restricted-api={one}" for one in restricted.OPTIONS)
        + tuple(f"--grpc-restricted-protocol={one}" for one in _GRPC_RESTRICTED),
        (("http_restricted_api", restricted.OPTIONS), ("grpc_restricted_protocol", _GRPC_RESTRICTED)),
    ),
    "python models": Configuration(naiad=(("allow_client_shm", True),), has_python_models=True),
}


_RELEASE_S = 20.0


class Server:
    """One running server, either of the two."""

    def __init__(self, address: Address, channel: Any, memory: SharedMemory) -> None:
        self._address, self._channel, self._memory = address, channel, memory

    def ask(self, steps: list[Step]) -> Any:
        """Return the neutral answers to all steps; and the shared memory, where they changed it."""
        self._memory.buf[: len(CONTENT)] = CONTENT
        answers = [neutral(self._one(step)) for step in steps]
        left = bytes(self._memory.buf[: len(CONTENT)])
        return answers if left == CONTENT else [*answers, left]

    def _one(self, step: Step) -> Any:
        """Triton lets a region go a moment after it has answered the request that used it."""
        end = time.monotonic() + _RELEASE_S
        while True:
            is_http = isinstance(step, Http | Raw)
            answer = call_http(self._address.http, step) if is_http else call_grpc(self._channel, step)
            if "currently in use" not in str(answer) or time.monotonic() > end:
                return answer


@contextmanager
def running_pair(name: str, folder: Path, memory: SharedMemory) -> Iterator[tuple[Server, Server]]:
    """Start Triton and ours with the same models; yields them in this order."""
    configuration = CONFIGURATIONS[name]
    if configuration.has_python_models:
        theirs, ours = (copy_python_models(folder / side) for side in ("triton", "naiad"))
    else:
        theirs = write_repository(folder / "triton", is_triton=True, has_broken=name == "explicit")
        ours = write_repository(folder / "naiad", is_triton=False, has_broken=name == "explicit")
    options = configuration.triton
    if configuration.has_python_models:  # some of which have metrics, without which Triton ends
        options += ("--allow-metrics=true", "--metrics-address=127.0.0.1", f"--metrics-port={free_ports(1)[0]}")
    with (
        running_triton(theirs, folder / "triton.log", options) as triton,
        running_server(str(ours), http_head=False, allow_setting_changes=True, **dict(configuration.naiad)) as running,
        grpc.insecure_channel(triton.grpc) as their_channel,
        grpc.insecure_channel(running.grpc_address) as our_channel,
    ):
        host, _, port = running.address.rpartition(":")
        our_address = Address((host, int(port)), running.grpc_address)
        yield Server(triton, their_channel, memory), Server(our_address, our_channel, memory)
