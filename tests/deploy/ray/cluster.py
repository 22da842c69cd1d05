"""Runs a cluster of Ray, several nodes on this machine, in a network of its own that has only loopback.

Started with `unshare --net --uts` by the Python of .bench/env/ray. Reads orders from stdin, one JSON object a line, and
answers each with one line: {"ok": …} or {"error": …}. At the end of stdin it takes everything down.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",  # there is one proxy, and no replica need be on its node
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
    "RAY_enable_worker_prestart": "0",  # of workers that nobody asks for
    "RAY_prestart_worker_first_driver": "0",
}

ORDER_S = 120.0
"""What an order may take on a busy machine."""


def settle() -> None:
    """Bring up loopback, which is down in a new network, and take the name that it has: Ray looks its own name up."""
    socket.sethostname("localhost")
    name, get_flags, set_flags, is_up = b"lo", 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        row = struct.pack("16sH14s", name, 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(one, get_flags, row))[1]
        fcntl.ioctl(one, set_flags, struct.pack("16sH14s", name, flags | is_up, b""))


class House:
    """The cluster, and what may be asked of it."""

    def __init__(self, folder: str, nodes: int) -> None:
        os.environ["RAY_TMPDIR"] = folder
        from ray.cluster_utils import Cluster

        import ray

        size = {"num_cpus": 2, "object_store_memory": 80 * 1024 * 1024}
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={**size, "node_ip_address": "127.0.0.1", "include_dashboard": False},
        )
        for _ in range(nodes - 1):
            self.cluster.add_node(**size, node_ip_address="127.0.0.1")
        ray.init(self.cluster.address, namespace="serve", log_to_driver=False)

    def address(self) -> str:
        """Of the cluster, for `--address`."""
        return str(self.cluster.address)

    def deploy(self, config: dict[str, Any], wait: bool = True) -> None:
        """Do what `serve deploy` does with a configuration file; wait: until it runs."""
        from ray.serve.context import _get_global_client
        from ray.serve.schema import ServeDeploySchema

        from ray import serve

        schema = ServeDeploySchema.model_validate(config)
        serve.start(
            proxy_location=schema.proxy_location,
            http_options=schema.http_options.model_dump(),
            grpc_options=schema.grpc_options.model_dump(),
        )
        _get_global_client().deploy_apps(schema, _blocking=False)
        if wait:
            self.wait("RUNNING")

    def wait(self, status: str) -> dict[str, Any]:
        """Wait until every application has this status."""
        until_s = time.monotonic() + ORDER_S
        while True:
            seen = self.status()
            if seen and all(one["status"] == status for one in seen.values()):
                return seen
            if time.monotonic() > until_s:
                raise TimeoutError(f"not {status} within {ORDER_S:g} s: {seen}")
            time.sleep(0.1)

    def status(self) -> dict[str, Any]:
        """Name of each application → its status, message and replicas by state."""
        from ray import serve

        found = {}
        for name, one in serve.status().applications.items():
            deployments = one.deployments.values()
            found[name] = {
                "status": str(one.status.value),
                "message": one.message + " ".join(each.message for each in deployments),
                "replicas": {str(state): count for each in deployments for state, count in each.replica_states.items()},
            }
        return found

    def replicas(self) -> list[dict[str, Any]]:
        """Return process and node of each replica that is alive."""
        from ray._private.state import actors

        return [
            {"pid": row["Pid"], "node": row["Address"]["NodeID"]}
            for row in actors().values()
            if row["State"] == "ALIVE" and row["ActorClassName"].startswith("ServeReplica")
        ]

    def kill(self, pid: int) -> None:
        """End a replica's process at once."""
        os.kill(pid, signal.SIGKILL)

    def options(self) -> dict[str, Any]:
        """Return the options of each deployment that are in force."""
        from ray import serve

        details = serve.context._get_global_client().get_serve_details()
        return {
            name: one["deployment_config"]
            for application in details["applications"].values()
            for name, one in application["deployments"].items()
        }

    def close(self) -> None:
        """Take everything down."""
        import ray
        from ray import serve

        serve.shutdown()
        ray.shutdown()
        self.cluster.shutdown()


def main() -> None:
    """Answer orders until there are no more."""
    settle()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Ray writes to stdout as it likes
    house = House(sys.argv[1], int(sys.argv[2]))
    answers.write(json.dumps({"ok": house.address()}) + "\n")
    try:
        for line in sys.stdin:
            order = json.loads(line)
            do: Callable[..., Any] = getattr(house, order.pop("do"))
            try:
                answer = {"ok": do(**order)}
            except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
                answer = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(answer) + "\n")
    finally:
        house.close()


if __name__ == "__main__":
    main()
