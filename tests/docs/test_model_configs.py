"""Pieces of config.pbtxt in the pages can be read, and a whole one is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from naiad.modelconfig import finish, parse_pbtxt, prepare

ROOT = Path(__file__).parents[2]
LOOKS_LIKE_ONE = re.compile(r"^(?:name: \"|backend: \"|\w+_batching \{|ensemble_scheduling \{)", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """Page and text of each."""
    return [
        (page.relative_to(ROOT).as_posix(), block)
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        if LOOKS_LIKE_ONE.search(block)
    ]


@pytest.mark.parametrize(("page", "text"), blocks())
def test_a_piece_can_be_read(page: str, text: str) -> None:
    given = parse_pbtxt(text, page)
    if given.get("backend") and given.get("input") and given.get("output"):
        finish(prepare(given, given["name"], ["model.onnx"]))


def test_there_are_some() -> None:
    assert {"docs/how-to/serve-sequences.md"} <= {page for page, _ in blocks()}
