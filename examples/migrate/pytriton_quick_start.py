"""PyTriton's quick start: a linear model as a function, and a client. Only the import lines are changed.

.venv/bin/python examples/migrate/pytriton_quick_start.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

import numpy as np

from naiad.compat.pytriton.client import ModelClient
from naiad.compat.pytriton.decorators import batch
from naiad.compat.pytriton.model_config import ModelConfig, Tensor
from naiad.compat.pytriton.triton import Triton, TritonConfig

WEIGHTS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
ANY_PORT = TritonConfig(http_port=0, grpc_port=0, metrics_port=0)  # leave it out for 8000, 8001 and 8002


@batch
def infer_fn(data: np.ndarray) -> list[np.ndarray]:
    """Multiply all rows of all requests at once."""
    return [data @ WEIGHTS]


def main() -> None:
    """Print what came back."""
    with Triton(config=ANY_PORT) as triton:
        triton.bind(
            model_name="Linear",
            infer_func=infer_fn,
            inputs=[Tensor(name="data", shape=(-1,), dtype=np.float32)],
            outputs=[Tensor(name="result", shape=(-1,), dtype=np.float32)],
            config=ModelConfig(max_batch_size=128),
        )
        # triton.serve() would wait here for Ctrl-C
        with ModelClient(f"grpc://{triton.grpc_address}", "Linear") as client:
            print(client.infer_batch(np.array([[1, 0], [0, 1]], np.float32))["result"].tolist())
            print(client.infer_sample(np.array([1, 1], np.float32))["result"].tolist())


if __name__ == "__main__":
    main()
