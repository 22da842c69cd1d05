"""Triton's own client against Naiad: programs written for Triton need no change.

Start a server (`make serve`), install tritonclient[http], then: python examples/triton_client.py [ADDRESS]
"""
# ruff: noqa: INP001, T201 - a script; it prints

import sys

import numpy as np
import tritonclient.http as triton


def main(address: str) -> None:
    """Print the first numbers of an embedding."""
    text = triton.InferInput("text", [1], "BYTES")
    text.set_data_from_numpy(np.array([b"hello world"], dtype=np.object_))
    with triton.InferenceServerClient(address) as client:
        result = client.infer("all-MiniLM-L6-v2", [text])
    embedding = result.as_numpy("embedding")
    print(f"{embedding.shape}: {np.round(embedding[0, :3], 4)} …")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000")
