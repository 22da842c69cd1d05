"""Clients of the cluster, run in its network: asks, and prints what it has found as JSON.

`compare MODELS…`: the same requests to Ray's HTTP proxy and to a server with these models. `clients`: the official
clients, every kind of call. `index`: models that are ready. `replicas MODEL N`: N requests, then who answered how many.
`load MODEL`: asks until stdin ends. `wait MODEL N`: the same, N requests always under way.
"""

from __future__ import annotations

import gzip
import http.client
import json
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http

from naiad.testing import running_server

HTTP, GRPC = "127.0.0.1:8000", "127.0.0.1:9000"
ROW = {"datatype": "INT32", "shape": [1, 16], "data": list(range(16))}
BODY = json.dumps({"id": "7", "inputs": [{"name": "INPUT0", **ROW}, {"name": "INPUT1", **ROW}]}).encode()
HEAD = json.dumps(
    {
        "inputs": [
            {"name": name, "datatype": "INT32", "shape": [1, 16], "parameters": {"binary_data_size": 64}}
            for name in ("INPUT0", "INPUT1")
        ],
        "parameters": {"binary_data_output": True},
    }
).encode()
TAIL = np.arange(32, dtype=np.int32).tobytes()
LENGTH = {"Inference-Header-Content-Length": str(len(HEAD))}
LONG_ROW = {"datatype": "INT32", "shape": [1, 300_000], "data": list(range(300_000))}
LONG = json.dumps({"inputs": [{"name": "IN", **LONG_ROW}]}).encode()
INFER = "/v2/models/simple/infer"

REQUESTS: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("GET", "/v2", b"", {}),
    ("GET", "/v2/health/live", b"", {}),
    ("GET", "/v2/health/ready", b"", {}),
    ("GET", "/v2/models/simple", b"", {}),
    ("GET", "/v2/models/simple/versions/1/config", b"", {}),
    ("GET", "/v2/models/simple/versions/9/ready", b"", {}),
    ("GET", "/v2/models/nosuch", b"", {}),
    ("GET", "/v2/models/no%2Fsuch%20one/ready", b"", {}),
    ("GET", "/nowhere?a=b", b"", {}),
    ("GET", INFER, b"", {}),
    ("POST", INFER, BODY, {}),
    ("POST", INFER, HEAD + TAIL, LENGTH),
    ("POST", INFER, HEAD + TAIL[:-1], LENGTH),
    ("POST", INFER, HEAD + TAIL, {"Inference-Header-Content-Length": "12a"}),
    ("POST", INFER, gzip.compress(BODY), {"Content-Encoding": "gzip"}),
    ("POST", INFER, BODY, {"Accept-Encoding": "gzip"}),
    ("POST", INFER, BODY, {"Content-Encoding": "gzip"}),
    ("POST", INFER, BODY, {"Content-Encoding": "br"}),
    ("POST", INFER, BODY, {"Origin": "http://elsewhere.example"}),
    ("POST", INFER, b"{", {}),
    ("POST", INFER, b"", {}),
    ("POST", INFER, BODY.replace(b"INPUT1", b"INPUT2"), {}),
    ("POST", INFER, BODY.replace(b"[1, 16]", b"[1, 15]"), {}),
    ("POST", "/v2/models/nosuch/infer", BODY, {}),
    ("POST", "/v2/models/simple/generate", b'{"INPUT0": 1}', {}),
    ("POST", "/v2/repository/models/simple/load", b"{}", {}),
    ("POST", "/v2/repository/index", b"", {}),
    ("POST", "/v2/models/big/infer", LONG, {}),
]  # fmt: skip
COMPARED = ("content-type", "content-encoding", "inference-header-content-length", "retry-after", "allow")


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def send(address: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> list[Any]:
    """Status, the headers that the protocol gives a meaning, body."""
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.read()
    connection.close()
    kept = {name: value for name in COMPARED if (value := answer.headers.get(name)) is not None}
    if "content-encoding" in kept:
        found = gzip.decompress(found)
    return [answer.status, kept, found.decode("latin-1")]


def compare(*models: str) -> list[Any]:
    """What is not the same from Ray's proxy and from a server: the request, and both answers."""
    differing = []
    with running_server(*models) as server:
        for one in REQUESTS:
            over_ray, own = send(HTTP, *one), send(server.address, *one)
            if over_ray != own:
                differing.append([one[:2], over_ray, own])
    return [len(REQUESTS), differing]


def inputs(module: Any) -> list[Any]:
    """Of `simple`."""
    made = []
    for name in ("INPUT0", "INPUT1"):
        one = module.InferInput(name, [1, 16], "INT32")
        one.set_data_from_numpy(np.arange(16, dtype=np.int32).reshape(1, 16))
        made.append(one)
    return made


def clients() -> dict[str, Any]:
    """What the official clients get."""
    found: dict[str, Any] = {}
    for name, module, address in (("http", tritonclient.http, HTTP), ("grpc", tritonclient.grpc, GRPC)):
        with module.InferenceServerClient(address) as client:
            found[name] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("simple")]
            found[name].append(client.infer("simple", inputs(module)).as_numpy("OUTPUT0").tolist())
            for wrong in (partial(client.infer, "nosuch"), partial(client.infer, "simple", model_version="9")):
                try:
                    wrong(inputs=inputs(module))
                except module.InferenceServerException as error:
                    found[name].append([error.status(), error.message()])
    with tritonclient.grpc.InferenceServerClient(GRPC) as client:
        found["config"] = client.get_model_config("simple", as_json=True)["config"]["name"]
        found["index"] = [row["name"] for row in client.get_model_repository_index(as_json=True)["models"]]
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in range(5):
            client.async_stream_infer(
                "simple" if number != 2 else "nosuch", inputs(tritonclient.grpc), request_id=str(number)
            )
        found["stream"] = []
        for _ in range(5):
            result, error = answers.get(timeout=60)
            found["stream"].append(error.message() if error else result.get_response().id)
        client.stop_stream()
    return found


def replicas(model: str, count: str) -> list[int]:
    """Ask so often, then find out how many of these each replica has answered."""
    for _ in range(int(count)):
        assert send(HTTP, "POST", f"/v2/models/{model}/infer", BODY, {})[0] == 200
    seen = {}
    for _ in range(60):
        [row] = json.loads(send(HTTP, "GET", f"/v2/models/{model}/stats", b"", {})[2])["model_stats"]
        seen[row["last_inference"]] = row["inference_count"]
    return sorted(seen.values())


def index() -> list[str]:
    """Names of the models that are ready."""
    rows = json.loads(send(HTTP, "POST", "/v2/repository/index", b'{"ready": true}', {})[2])
    return [row["name"] for row in rows]


def load(model: str) -> dict[str, Any]:
    """Ask in threads until stdin ends: kept connections, new ones, gRPC."""
    over = threading.Event()
    counts = {kind: Counter[str]() for kind in KINDS}
    threads = [
        threading.Thread(target=KINDS[kind], args=(model, counts[kind], over)) for kind in (*KINDS, "kept", "grpc")
    ]
    for thread in threads:
        thread.start()
    say("asking")
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    return {
        "answered": {kind: counter["good"] for kind, counter in counts.items()},
        "lost": [[kind, *row] for kind, counter in counts.items() for row in counter.items() if row[0] != "good"],
        "clients": len(threads),
    }


def _kept(model: str, count: Counter[str], over: threading.Event) -> None:
    connection = http.client.HTTPConnection(HTTP, timeout=60)
    while not over.is_set():
        _count(count, partial(_post, connection, model))


def _new(model: str, count: Counter[str], over: threading.Event) -> None:
    while not over.is_set():
        connection = http.client.HTTPConnection(HTTP, timeout=60)
        _count(count, partial(_post, connection, model))
        connection.close()


def _grpc(model: str, count: Counter[str], over: threading.Event) -> None:
    with tritonclient.grpc.InferenceServerClient(GRPC) as client:
        while not over.is_set():
            _count(count, lambda: "good" if client.infer(model, inputs(tritonclient.grpc)) else "")


KINDS = {"kept": _kept, "new": _new, "grpc": _grpc}


def _post(connection: http.client.HTTPConnection, model: str) -> str:
    connection.request("POST", f"/v2/models/{model}/infer", BODY)
    answer = connection.getresponse()
    body = answer.read()
    good = answer.status == 200 and json.loads(body)["outputs"][0]["data"] == [2 * n for n in range(16)]
    return "good" if good else f"{answer.status} {body[:200].decode('latin-1')}"


def _count(count: Counter[str], ask: Callable[[], str]) -> None:
    try:
        outcome = ask()
    except Exception as error:  # noqa: BLE001 - that is what is counted
        outcome = f"{type(error).__name__}: {error}"
    count[outcome] += 1


def wait(model: str, count: str) -> int:
    """Ask so often at the same time, again and again until stdin ends; gives how many were answered."""
    answered, over = threading.Semaphore(0), threading.Event()
    one = tritonclient.grpc.InferInput("IN", [1], "INT32")
    one.set_data_from_numpy(np.array([1], np.int32))
    total = 0
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()

    def note(result: Any, error: Any) -> None:
        if error is not None:
            sys.stderr.write(f"{error}\n")
        answered.release()

    with tritonclient.grpc.InferenceServerClient(GRPC) as client:
        for _ in range(int(count)):
            client.async_infer(model, [one], note)
        say("asking")
        while not over.is_set():
            answered.acquire()
            total += 1
            client.async_infer(model, [one], note)
        for _ in range(int(count)):
            answered.acquire()
    return total


if __name__ == "__main__":
    say(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
