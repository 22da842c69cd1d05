"""The table of published checkpoints holds together, and the page says of it only what has been run. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from published import ROWS
from published.row import Published

from results import describe, read_results

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "families.md"


def test_there_are_enough_rows_and_none_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) >= 80
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_facts_fit_each_other(row: Published) -> None:
    """What no published checkpoint gets wrong, and a slip in the table would."""
    config = row.config.get("text_config", row.config)
    width = next((config[key] for key in ("hidden_size", "dim", "d_model") if key in config), 0)
    spellings = ("num_attention_heads", "n_heads", "encoder_attention_heads")
    assert width % next((config[key] for key in spellings if key in config), 1) == 0
    assert row.vocabulary is not None or row.processor is not None
    if row.vocabulary is not None:
        assert row.vocabulary.size <= config["vocab_size"]
        assert row.longest <= config.get("max_position_embeddings", row.longest)
    is_open = row.task.startswith("zero-shot-image")
    assert bool(row.labels) == (not is_open and (row.task.endswith("-classification") or row.task == "text-ranking"))


def test_the_page_lists_only_what_has_passed_as_it_is_now() -> None:
    """A row that changed after it ran has to run again: make test-field."""
    rows = {row.name: row for row in ROWS}
    results = read_results()
    stale = [
        name for name, record in results.items() if name not in rows or describe(rows[name], record["by"]) != record
    ]
    assert stale == []
    listed = re.findall(r"^\| `([^`]+/[^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(results)
    assert len(listed) >= 80
