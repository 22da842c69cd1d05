"""docs/reference/families.md: which families serve which tasks, from what the field test ran (tests/field)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "families.md"
RESULTS = ROOT / "tests" / "field" / "results.json"
NOTICE = "<!-- Generated from tests/field/results.json by generate/families.py; `make test-field` writes that. -->"

INTRODUCTION = """
What the test in `tests/field` has run: configurations of checkpoints that are much used on the Hub, two layers deep,
with random weights and a real tokenizer of the published class and size. Each was served, and every answer compared
with transformers' or sentence-transformers' (within 1e-4): single texts and several in a request, odd Unicode, an empty
text, one longer than the maximum, alone and among others at the same time, over JSON, binary tensors and gRPC.

`builder` means that Naiad makes the graph itself, without torch; `exporter` that `naiad convert` does, with the torch
extra. A checkpoint of a listed family that is not in the table is served the same way; `make test-field` runs the test.
"""


def page(results: dict[str, dict[str, str]]) -> Iterator[str]:
    """The page's parts, line by line."""
    yield NOTICE
    yield ""
    yield "# Families"
    yield INTRODUCTION
    yield "## Families and tasks\n"
    yield "How many checkpoints of a family were compared in each task.\n"
    tasks = sorted({record["task"] for record in results.values()})
    counts = Counter((record["family"], record["by"], record["task"]) for record in results.values())
    yield f"| Family (`model_type`) | Graph by | {' | '.join(tasks)} |"
    yield "|---|---|" + "---|" * len(tasks)
    for family, by in sorted({(record["family"], record["by"]) for record in results.values()}):
        cells = (str(counts[family, by, task] or "") for task in tasks)
        yield f"| {family} | {by} | {' | '.join(cells)} |"
    yield ""
    yield f"## The {len(results)} checkpoints\n"
    yield "| Checkpoint | Class | Task | Tokenizer | Graph by |"
    yield "|---|---|---|---|---|"
    for name, record in sorted(results.items(), key=lambda item: (item[1]["family"], item[0])):
        yield f"| `{name}` | {record['model']} | {record['task']} | {record['tokenizer']} | {record['by']} |"


def render() -> dict[Path, str]:
    """The page and its text."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {PAGE: "\n".join(page(results)).rstrip() + "\n"}
