"""Where the pods' requests go: through a real Envoy that is told of endpoints and checks their health, or direct.

Between a change of the endpoints and the clients' or the proxy's knowing of it lies a delay, as in a cluster.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from crowd import INFER, grpc_request
from drain import ANSWER, NUMBERS, Load
from kubelet import Pod, wait_until
from proxy import clusters_of_files, running_clusters

DELAY_S = 0.5
"""Until a change of the endpoints is known everywhere."""
CALLS = 50
"""Of a gRPC client, before it looks the names up again."""
_EDS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


class Endpoints:
    """What is known of the endpoints by those who send requests."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where files for Envoy are written."""
        self._folder = folder
        self.ports: dict[str, tuple[int, ...]] = {"http": (), "grpc": ()}
        self._timers: list[threading.Timer] = []
        self._lock = threading.Lock()
        self._taken = -1
        """The number of the change that is known."""
        self._write()

    def publish(self, pods: Sequence[Pod]) -> None:
        """Take a change; it is known after a while."""
        ports = {name: tuple(pod.ports[name] for pod in pods) for name in self.ports}
        timer = threading.Timer(DELAY_S, self._take, (len(self._timers), ports))
        self._timers.append(timer)
        timer.start()

    def _take(self, number: int, ports: dict[str, tuple[int, ...]]) -> None:
        with self._lock:
            if number > self._taken:  # else a later change is known already
                self._taken, self.ports = number, ports
                self._write()

    def _write(self) -> None:
        """Files that Envoy watches; it looks when one is moved into its place."""
        for name, ports in self.ports.items() if self._folder is not None else ():
            assert self._folder is not None
            places = [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
                for port in ports
            ]
            resource: dict[str, Any] = {"@type": _EDS, "cluster_name": name, "endpoints": [{"lb_endpoints": places}]}
            fresh = self._folder / f"{name}.new"
            fresh.write_text(json.dumps({"version_info": str(time.monotonic_ns()), "resources": [resource]}))
            fresh.replace(self._folder / f"{name}.json")

    def close(self) -> None:
        """Take no more changes."""
        for timer in self._timers:
            timer.cancel()


class DirectLoad(Load):
    """Clients without a proxy, which know the endpoints as a cluster's names and rules tell them."""

    def __init__(self, endpoints: Endpoints, rests_s: float = 0.002) -> None:
        self._endpoints = endpoints
        super().__init__(0, 0, rests_s)

    def _http_port(self) -> int:
        return random.choice(self._endpoints.ports["http"])  # noqa: S311 - no secret

    def _grpc(self, counts: Counter[str]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.lb_policy_name", "round_robin")]
        message = grpc_request(NUMBERS)
        while not self.is_over:
            target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in self._endpoints.ports["grpc"])
            with grpc.insecure_channel(target, options=options) as channel:
                call = channel.unary_unary(INFER)
                for _ in range(CALLS):
                    if self.is_over:
                        return
                    try:
                        raw = call(message, timeout=20)
                    except grpc.RpcError as error:
                        counts[f"lost: {error.code().name} {str(error.details())[:80]}"] += 1
                    else:
                        counts["answered" if ANSWER in raw else "wrong"] += 1
                    time.sleep(self.rests_s)


@contextmanager
def envoy(endpoints: Endpoints, folder: Path) -> Iterator[tuple[int, int]]:
    """Run Envoy before the endpoints; gives its ports for HTTP and gRPC."""
    wait_until(lambda: bool(endpoints.ports["http"]), 60)
    with running_clusters(clusters_of_files({name: folder / f"{name}.json" for name in ("http", "grpc")})) as ports:
        yield ports
