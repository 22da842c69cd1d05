"""Schedulers under everything at once, through Triton's clients: `python tests/soak/schedulers.py --seconds 30`.

Priorities, time limits, full queues, kept orders, streams of many answers and a model that fails, while clients lose
their patience, withdraw requests and leave streams, and the models are loaded again all the time. Each request must be
answered once, right or with an error that it may get, and nothing may be left when all have gone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent))

from served import Served, served
from triton_clients import BAD, Crowd, leaving_http, over_a_stream, over_grpc, over_http, reloading

CLIENTS = 3
"""Of each kind."""
REST_S = 10.0
MORE = (4, 8, 64)
"""Open files, threads and MiB that may be more in use at the end than after the warm-up."""

IDENTITY = """
backend: "identity"
max_batch_size: 8
input  {{ name: "x" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "y" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: 2 kind: KIND_CPU }}
parameters {{ key: "execute_delay_ms" value {{ string_value: "3" }} }}
dynamic_batching {{ {more} }}
"""
LEVELS = """
priority_levels: 3 default_priority_level: 2 max_queue_delay_microseconds: 500
default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 20000 allow_timeout_override: true }
priority_queue_policy { key: 1 value { max_queue_size: 4 } }
priority_queue_policy { key: 3 value { timeout_action: DELAY default_timeout_microseconds: 5000 } }
"""
MODELS = {
    "levels": IDENTITY.format(more=LEVELS),
    "ordered": IDENTITY.format(more="preserve_ordering: true preferred_batch_size: [ 2 ]"),
    "fails": 'backend: "onnxruntime" max_batch_size: 8 dynamic_batching { }',
    "dies": """
backend: "python"
max_batch_size: 8
input  { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { count: 2 kind: KIND_CPU }
dynamic_batching { }
""",
    "squares": """
backend: "square"
model_transaction_policy { decoupled: true }
input  { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
""",
}

DIES = f"""
import os
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        arrays = [triton.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        if any((array == {BAD}).any() for array in arrays):
            os._exit(3)
        return [triton.InferenceResponse([triton.Tensor("y", array)]) for array in arrays]
"""


def write(root: Path) -> Path:
    for name, config in MODELS.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(config)
    (root / "dies" / "1" / "model.py").write_text(DIES)
    helper, numbers = onnx.helper, onnx.TensorProto.INT32
    ends = [helper.make_tensor_value_info(name, numbers, ["n", 1]) for name in "xy"]
    table = onnx.numpy_helper.from_array(np.arange(BAD, dtype=np.int32), "table")
    graph = helper.make_graph([helper.make_node("Gather", ["table", "x"], ["y"])], "m", ends[:1], ends[1:], [table])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, root / "fails" / "1" / "model.onnx")
    return root


KINDS = {
    over_http: CLIENTS, leaving_http: CLIENTS, over_grpc: CLIENTS, over_a_stream: CLIENTS, reloading: 1,
}  # fmt: skip


def check_rest(server: Served, before: tuple[float, ...]) -> None:
    """When everybody has gone, nothing waits, and everything is as it was."""
    end_s = time.monotonic() + REST_S
    while True:
        after = (server.files(), server.threads(), server.memory_mib())
        more = [late - early for late, early in zip(after, before, strict=True)]
        if all(one <= most for one, most in zip(more, MORE, strict=True)):
            break
        if time.monotonic() > end_s:
            raise SystemExit("more than before: {} files, {} threads, {:.0f} MiB".format(*more))
        time.sleep(0.2)
    print("more than before: {} files, {} threads, {:.0f} MiB".format(*more))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder))
        with served("--model-control-mode=explicit", "--load-model=*", repository=root) as server:
            total: Counter[str] = Counter()
            before: tuple[float, ...] = ()
            for part_s in (min(5.0, seconds / 4), seconds):
                crowd = Crowd(server, root, part_s)
                crowd.run(KINDS)
                total += crowd.counts
                time.sleep(1.0)
                before = before or (server.files(), server.threads(), server.memory_mib())
            check_rest(server, before)
            server.check_alive()
    print(", ".join(f"{count} {what}" for what, count in sorted(total.items())))


if __name__ == "__main__":
    main()
