"""A script written for trism: tensors with `TritonModel`, text with `TritonLMModel`. Only the import line is changed.

.venv/bin/python examples/migrate/trism_model.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

import asyncio
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import naiad
from naiad.compat.trism import TritonLMModel, TritonModel
from naiad.functions import Tensor, batch, sample


@batch
def add(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
    """Stand in for a model that runs elsewhere."""
    return a + b


@sample
def write(text_input: str) -> Iterator[dict[str, NDArray[np.object_]]]:
    """Stand in for a language model that runs elsewhere."""
    for piece in (*text_input, b" there", b" was", b" \xe2\x80\xa6"):
        yield {"text_output": np.array([piece], np.object_)}


async def tell(address: str) -> None:
    """Print the pieces of a text as they come."""
    async with TritonLMModel("write", url=address) as model:
        pieces = [piece async for piece in model.run("Once upon a time", {"temperature": 0.5})]
    print("".join(pieces))


def main() -> None:
    """Print what came back."""
    with naiad.Server(grpc_port=0) as server:
        server.bind("add", add)
        server.bind("write", write, outputs=[Tensor((1,), bytes, "text_output")])
        with TritonModel("add", version=1, url=server.grpc_address) as model:
            print([one.name for one in model.inputs], model.run([np.array([[1, 2]]), np.array([[3, 4]])]))
        asyncio.run(tell(server.grpc_address))


if __name__ == "__main__":
    main()
