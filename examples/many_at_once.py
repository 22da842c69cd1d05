"""Send many requests at the same time; the server joins them, without padding.

Start a server (`make serve`), then: .venv/bin/python examples/many_at_once.py [ADDRESS]
"""
# ruff: noqa: INP001, T201 - a script; it prints

import asyncio
import sys
import time

import naiad
from naiad.client import AsyncModel
from naiad.errors import DeadlineExceeded, Overloaded

TEXTS = [f"Sentence number {number} " + "is a little longer " * (number % 7) for number in range(200)]


async def embed(model: AsyncModel, text: str) -> int:
    """How many numbers came back; 0 when the server had no room or no time for this one."""
    try:
        return len((await model(text=text, timeout_s=30)).embedding)
    except (Overloaded, DeadlineExceeded):
        return 0


async def main(address: str) -> None:
    """Print how long all of them took."""
    async with naiad.AsyncClient(address) as client:
        model = client.model("all-MiniLM-L6-v2")
        await model.metadata()
        began_s = time.perf_counter()
        sizes = await asyncio.gather(*(embed(model, text) for text in TEXTS))
        took_s = time.perf_counter() - began_s
    print(f"{sum(size > 0 for size in sizes)} of {len(TEXTS)} texts in {took_s:.2f} s")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000"))
