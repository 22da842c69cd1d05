"""Pages whose Python runs as it stands, from top to bottom, and prints what it says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = ["migrate-a-service.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"^print\(.*\)  # (.*)$|^    print\(.*\)  # (.*)$", re.MULTILINE)
NOT_EVERYWHERE = ("torch", "tensorflow")
"""Libraries without which a block is left out."""


def runs(block: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in NOT_EVERYWHERE if f"import {name}" in block)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_prints_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    blocks = BLOCK.findall((HOW_TO / page).read_text())
    assert len(blocks) > 5
    for block in filter(runs, blocks):
        exec(compile(block, page, "exec"), names)  # noqa: S102 - our own page
        expected = [first or second for first, second in PRINTS.findall(block)]
        assert capsys.readouterr().out.splitlines() == expected, block
