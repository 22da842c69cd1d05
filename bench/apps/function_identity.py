"""A function that gives 256 floats back, served and asked in one program: `… PACKAGE SECONDS HTTP GRPC METRICS`.

PACKAGE is `pytriton` or `naiad.compat.pytriton`: the same program for both. Prints the seconds until four models were
ready, and each client's latencies in milliseconds, as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

import numpy as np
import tritonclient.grpc

PACKAGE, SECONDS, HTTP, GRPC, METRICS = sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:])
client, decorators, model_config, triton = (
    importlib.import_module(f"{PACKAGE}.{name}") for name in ("client", "decorators", "model_config", "triton")
)
ROW = np.arange(256, dtype=np.float32)


@decorators.batch
def identity(x):
    return [x]


def latencies(ask) -> dict[str, float]:
    taken = []
    for _ in range(50):
        ask()
    until_s = time.perf_counter() + SECONDS
    while (began_s := time.perf_counter()) < until_s:
        ask()
        taken.append(time.perf_counter() - began_s)
    taken.sort()
    return {"p50_ms": taken[len(taken) // 2] * 1000, "p99_ms": taken[int(len(taken) * 0.99)] * 1000}


def main() -> None:
    config = triton.TritonConfig(http_port=HTTP, grpc_port=GRPC, metrics_port=METRICS)
    tensor = {side: model_config.Tensor(name=side, dtype=np.float32, shape=(256,)) for side in "xy"}
    figures = {}
    began_s = time.perf_counter()
    with triton.Triton(config=config) as running:
        for number in range(4):
            running.bind(f"identity{number}", identity, [tensor["x"]], [tensor["y"]])
        for number in range(4):
            with client.ModelClient(f"http://127.0.0.1:{HTTP}", f"identity{number}") as one:
                one.wait_for_model(60.0)
        figures["ready_s"] = time.perf_counter() - began_s
        for name, url in {"http": f"http://127.0.0.1:{HTTP}", "grpc": f"grpc://127.0.0.1:{GRPC}"}.items():
            with client.ModelClient(url, "identity0") as one:
                assert (one.infer_sample(ROW)["y"] == ROW).all()
                figures[f"ModelClient {name}"] = latencies(lambda one=one: one.infer_sample(ROW))
        asked = tritonclient.grpc.InferInput("x", [1, 256], "FP32")
        asked.set_data_from_numpy(ROW[None])
        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{GRPC}") as one:
            figures["tritonclient grpc"] = latencies(lambda: one.infer("identity0", [asked]))
    print("FIGURES", json.dumps(figures))


if __name__ == "__main__":
    main()
