"""`client/aio.py` from `client/sync.py`, `job_aio.py` from `job.py`: the same methods, awaiting where the others block.

What the clients do is in `client/calls.py`, which waits for nothing; only the thin layer that does wait exists twice,
and it is written once.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "src" / "naiad" / "client"

WAITS = (
    "is_live", "is_ready", "is_model_ready", "metadata", "model_metadata", "config", "model_config", "statistics",
    "model_statistics", "index", "infer", "send", "close", "submit", "status", "wait", "result", "results", "cancel",
)  # fmt: skip
"""Methods that wait for the server."""

TWINS = {
    "sync.py": ("aio.py", "The client for asyncio: `naiad.AsyncClient`."),
    "job.py": ("job_aio.py", "A job that was submitted, for asyncio."),
}
"""File → the one made of it, and how that begins."""

WORDS = (
    (r"\bimport time\b", "import asyncio\nimport time"),
    (r"\btime\.sleep\(", "await asyncio.sleep("),
    (r"client\.job import Job\b", "client.job_aio import AsyncJob"),
    (r"(?<![./`])\bJob(Host)?\b(?! on a)", r"AsyncJob\1"),
    (r"\bClient\b", "AsyncClient"),
    (r"\bModel(Host)?\b", r"AsyncModel\1"),
    (r"threads may share it", "tasks of one event loop may share it"),
    (r"\bdef __call__\(", "async def __call__("),
    (r"\bdef __enter__\(", "async def __aenter__("),
    (r"\bdef __exit__\(", "async def __aexit__("),
    (r"Infer\. `model", "Infer. `await model"),
    (r"self\._http\.request\(", "await self._http.request("),
    (r"Generator, Iterator", "AsyncIterator, Generator"),
    (r"\bIterator\b", "AsyncIterator"),
    (r"\bdef stream\(", "async def stream("),
    (r"with opened as", "async with opened as"),
    (r"response\.read\(", "await response.aread("),
    (r"for line in response\.iter_lines\(", "async for line in response.aiter_lines("),
    (r"self\._http\.close\(", "await self._http.aclose("),
)
"""Pattern and what stands in its place."""


def render() -> dict[Path, str]:
    """The files and their texts."""
    return {FOLDER / twin: _render(source, twin, title) for source, (twin, title) in TWINS.items()}


def _render(source: str, twin: str, title: str) -> str:
    text = (FOLDER / source).read_text(encoding="utf-8")
    notice = f'"""{title} Generated from `{source}`; run `make generate`."""'
    text = re.sub(r"\A\"\"\".*?\"\"\"", notice, text, flags=re.DOTALL)
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    names = "|".join(WAITS)
    text = re.sub(rf"\bdef ({names})\(", r"async def \1(", text)
    text = re.sub(rf"\b(self(?:\.host)?)\.({names})\(", r"await \1.\2(", text)
    return _format(text, twin)


def _format(text: str, twin: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FOLDER / twin), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return done.stdout
