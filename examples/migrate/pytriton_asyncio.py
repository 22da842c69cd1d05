"""A PyTriton function that waits, and a client that does: asyncio on both sides. Only the import lines are changed.

.venv/bin/python examples/migrate/pytriton_asyncio.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

import asyncio
import time

import numpy as np

from naiad.compat.pytriton.client import AsyncioModelClient
from naiad.compat.pytriton.decorators import batch
from naiad.compat.pytriton.model_config import ModelConfig, Tensor
from naiad.compat.pytriton.triton import Triton, TritonConfig

ANY_PORT = TritonConfig(http_port=0, grpc_port=0, metrics_port=0)  # leave it out for 8000, 8001 and 8002


@batch
async def patient(x: np.ndarray) -> list[np.ndarray]:
    """Wait for something, as for a database, while other requests are answered."""
    await asyncio.sleep(0.1)
    return [x * 2]


async def ask(address: str) -> None:
    """Ask thirty times at once."""
    async with AsyncioModelClient(f"http://{address}", "Patient", lazy_init=False) as client:
        began_s = time.perf_counter()
        asked = (client.infer_sample(np.array([number], np.float32)) for number in range(30))
        answers = await asyncio.gather(*asked)
        took_s = time.perf_counter() - began_s
    print(sum(int(answer["y"][0]) for answer in answers), "in time" if took_s < 2 else "one after the other")


def main() -> None:
    """Print the sum of what came back."""
    with Triton(config=ANY_PORT) as triton:
        triton.bind(
            model_name="Patient",
            infer_func=patient,
            inputs=[Tensor(name="x", dtype=np.float32, shape=(1,))],
            outputs=[Tensor(name="y", dtype=np.float32, shape=(1,))],
            config=ModelConfig(max_batch_size=1),
        )
        asyncio.run(ask(triton.http_address))


if __name__ == "__main__":
    main()
