"""A PyTriton function that answers any number of times: a generator. Only the import lines are changed.

.venv/bin/python examples/migrate/pytriton_decoupled.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

from collections.abc import Iterator

import numpy as np

from naiad.compat.pytriton.client import DecoupledModelClient
from naiad.compat.pytriton.decorators import batch
from naiad.compat.pytriton.model_config import ModelConfig, Tensor
from naiad.compat.pytriton.triton import Triton, TritonConfig

ANY_PORT = TritonConfig(http_port=0, grpc_port=0, metrics_port=0)  # leave it out for 8000, 8001 and 8002


@batch
def words(text: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Give one word after the other."""
    for word in text[0, 0].decode().split():
        yield {"word": np.array([[word.encode()]])}


def main() -> None:
    """Print the words as they come."""
    with Triton(config=ANY_PORT) as triton:
        triton.bind(
            model_name="Words",
            infer_func=words,
            inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="word", dtype=bytes, shape=(1,))],
            config=ModelConfig(decoupled=True, max_batch_size=1),
        )
        with DecoupledModelClient(f"grpc://{triton.grpc_address}", "Words") as client:
            for answer in client.infer_sample(np.array([b"one word after the other"])):
                print(answer["word"][0].decode())


if __name__ == "__main__":
    main()
