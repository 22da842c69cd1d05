"""Fuzz a live server over sockets: `python tests/soak/live.py --seconds 20`.

Real requests for every route and every RPC, each a little wrong, go to a server in a process of its own. After every
batch good requests over both doors must be answered right, memory must stay in bounds, the log must hold no traceback,
and no answer may have a status that is not in Triton's contract. The same seed gives the same requests.
"""

from __future__ import annotations

import argparse
import http.client
import random
import re
import select
import socket
import struct
import sys
import time
from pathlib import Path

import grpc
import orjson

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

from mutation import mutate  # noqa: E402
from seeds import seeds  # noqa: E402
from served import Served, served  # noqa: E402

from naiad.proto.pool import message_class  # noqa: E402

MOST_GROWTH_MIB = 200
BATCH = 100
_MOMENT_S = 0.02
STATUSES = {200, 400, 403, 404, 405, 408, 413, 414, 422, 424, 431, 500, 501, 503, 505}
RIGHTLY_500 = re.compile(
    rb"parse|attempt to|model .\w+. failed|true shape|JSON|"
    rb"keyword|shared memory region|Unable to open|failed to load|Triton parameter|NaN or inf"
)
"""Words of the errors that are 500 in the contract: bodies that cannot be parsed, data that does not fill its
shape, models that fail."""

NUMBERS = list(range(16))
GOOD = {"inputs": [{"name": f"INPUT{at}", "datatype": "INT32", "shape": [1, 16], "data": NUMBERS} for at in range(2)]}
TAIL = {
    "inputs": [
        {"name": f"INPUT{at}", "datatype": "INT32", "shape": [1, 16], "parameters": {"binary_data_size": 64}}
        for at in range(2)
    ],
    "outputs": [{"name": "OUTPUT0", "parameters": {"binary_data": True}}],
}
STRINGS = {
    "inputs": [
        {"name": f"INPUT{at}", "datatype": "BYTES", "shape": [1, 16], "data": [str(value) for value in NUMBERS]}
        for at in range(2)
    ]
}
HTTP: list[tuple[str, str, bytes, str]] = [
    ("POST", "/v2/models/simple/infer", orjson.dumps(GOOD), ""),
    ("POST", "/v2/models/simple_string/versions/1/infer", orjson.dumps({"id": "7", **STRINGS}), ""),
    (
        "POST",
        "/v2/models/simple/infer",
        orjson.dumps(TAIL) + bytes(128),
        f"Inference-Header-Content-Length: {len(orjson.dumps(TAIL))}\r\n",
    ),
    ("POST", "/v2/models/simple/generate", b'{"INPUT0":[1,2],"INPUT1":1,"parameters":{"a":1}}', ""),
    ("POST", "/v2/models/simple_string/generate_stream", b'{"INPUT0":["1"],"INPUT1":"2"}', ""),
    ("POST", "/v2/repository/index", b'{"ready":true}', ""),
    ("POST", "/v2/repository/models/simple/load", b'{"parameters":{"config":"{}"}}', ""),
    ("POST", "/v2/systemsharedmemory/region/r/register", b'{"key":"/r","offset":0,"byte_size":64}', ""),
    ("POST", "/v2/logging", b'{"log_verbose_level":0}', ""),
    ("POST", "/v2/trace/setting", b'{"trace_level":["OFF"]}', ""),
    ("POST", "/v1/embeddings", b'{"model":"simple","input":["a","b"]}', ""),
    ("POST", "/v1/rerank", b'{"model":"simple","query":"a","documents":["b"]}', ""),
    ("GET", "/v2/models/simple/versions/1/config", b"", ""),
    ("GET", "/v2/models/stats", b"", "Accept-Encoding: gzip;q=0.5, deflate\r\n"),
    ("GET", "/v2/health/ready", b"", ""),
    ("GET", "/v1/models", b"", ""),
]
METHODS = (
    "ModelInfer", "ModelStreamInfer", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad", "RepositoryModelUnload", "SystemSharedMemoryStatus", "SystemSharedMemoryRegister",
    "CudaSharedMemoryRegister", "TraceSetting", "LogSettings", "ServerReady", "ServerMetadata",
)  # fmt: skip


def assemble(method: str, path: str, body: bytes, headers: str) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}{length}\r\n".encode() + body


def wrong_http(choose: random.Random, bodies: list[bytes]) -> bytes:
    """Return a request whose body, or whose every byte, is a little wrong."""
    method, path, body, headers = choose.choice(HTTP)
    if choose.random() < 0.6:
        return assemble(method, path, mutate(body, bodies, choose), headers)
    return mutate(assemble(method, path, body, headers), [assemble(*row) for row in HTTP], choose)


def exchange(port: int, data: bytes, choose: random.Random) -> bytes:
    """Send bytes in one or two pieces, wait a moment, say that there are no more, and return the answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        at = choose.randrange(len(data) + 1)
        try:
            sock.sendall(data[:at])
            sock.sendall(data[at:])
            answer = b""
            while select.select([sock], [], [], _MOMENT_S)[0] and (piece := sock.recv(65536)):
                answer += piece
            sock.shutdown(socket.SHUT_WR)  # whoever says so is taken to have left
            while piece := sock.recv(65536):
                answer += piece
        except OSError:  # reset, or closed by the server
            return b""
        return answer


def judge_http(data: bytes, answer: bytes) -> None:
    for status, rest in re.findall(rb"HTTP/1\.1 (\d+)[^\0]*?\r\n\r\n(.{0,300})", answer, re.DOTALL):
        is_right = int(status) in STATUSES and b"internal error" not in rest
        if not is_right or (int(status) == 500 and not RIGHTLY_500.search(rest)):
            raise SystemExit(f"sent {data!r}\ngot {answer!r}")


def wrong_grpc(channel: grpc.Channel, choose: random.Random, examples: list[bytes]) -> None:
    name = choose.choice(METHODS) if choose.random() < 0.5 else "ModelInfer"
    raw = mutate(choose.choice(examples), examples, choose)
    call = channel.stream_stream(f"/inference.GRPCInferenceService/{name}")
    try:
        for _ in call(iter([raw]), timeout=20):
            pass
    except grpc.RpcError as error:
        told = f"{error.code().name} {error.details()}"  # type: ignore[attr-defined]  # of calls that have ended
        if "internal error" in told or error.code().name in ("UNKNOWN", "DEADLINE_EXCEEDED"):  # type: ignore[attr-defined]
            raise SystemExit(f"{name}: sent {raw!r}\ngot {told}") from error


def check_good(running: Served, channel: grpc.Channel) -> None:
    """Good requests are answered right, over both doors."""
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    connection.request("POST", HTTP[0][1], HTTP[0][2])
    answer = connection.getresponse().read()
    connection.close()
    document = orjson.loads(answer)
    if [row["data"] for row in document["outputs"]] != [[2 * value for value in NUMBERS], [0] * 16]:
        raise SystemExit(f"a good request over HTTP was answered {answer!r}")
    message = message_class("ModelInferRequest")(model_name="simple")
    for name in ("INPUT0", "INPUT1"):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(struct.pack("<16i", *NUMBERS))
    raw = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(message.SerializeToString(), timeout=20)
    outputs = message_class("ModelInferResponse").FromString(raw).raw_output_contents
    if list(struct.unpack("<16i", outputs[0])) != [2 * value for value in NUMBERS]:
        raise SystemExit(f"a good request over gRPC was answered {outputs!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    choose = random.Random(options.seed)
    bodies = [body for _, _, body, _ in HTTP if body]
    messages, frames = seeds("grpc_message"), seeds("http2_frames")
    sent = 0
    settings = (
        "--allow-client-shm",
        "--allow-setting-changes",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--http-header-timeout-s=2",
    )
    with served(*settings) as running, grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        check_good(running, channel)
        before_mib = running.memory_mib()
        end_s = time.monotonic() + options.seconds
        while time.monotonic() < end_s:
            for _ in range(BATCH):
                data = wrong_http(choose, bodies)
                judge_http(data, exchange(running.http_port, data, choose))
                wrong_grpc(channel, choose, messages)
            greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
            for _ in range(BATCH // 10):
                exchange(running.grpc_port, greeting + mutate(choose.choice(frames), frames, choose), choose)
            sent += 2 * BATCH + BATCH // 10
            running.check_alive()
            check_good(running, channel)
            grown_mib = running.memory_mib() - before_mib
            if grown_mib > MOST_GROWTH_MIB:
                raise SystemExit(f"{sent} requests cost {grown_mib:.0f} MiB of memory")
    print(f"{sent} wrong requests; the good ones between them were answered; memory grew by {grown_mib:.1f} MiB")


if __name__ == "__main__":
    main()
