"""Requests with mistakes that nobody thought of, to NVIDIA's own server and to ours: they differ only in known ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cases.mutated import GROUPS, KNOWN, Mutations
from harness.compare import expected

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "differences.md"
COUNT = 150
"""Of each group; a request takes both servers some milliseconds."""


@pytest.mark.parametrize("group", GROUPS)
def test_mutated_requests_are_answered_alike(pair: Callable[[str], Any], group: str) -> None:
    triton, ours = pair("plain")
    unknown = []
    for steps in islice(Mutations(group), COUNT):
        theirs, answered = expected(triton.ask(steps), set()), ours.ask(steps)
        if answered != theirs and not any(re.search(known, words(answered)) for known in KNOWN):
            unknown.append((steps, words(theirs), words(answered)))
    assert not unknown, "\n".join(f"{one}\nTriton: {theirs}\nours: {mine}" for one, theirs, mine in unknown)


def words(answers: list[Any]) -> str:
    """A line for each answer."""
    return "\n".join(
        f"{one['status']} {one['body']}" if isinstance(one, dict) and "body" in one else str(one) for one in answers
    )


def test_the_page_has_the_known_ways() -> None:
    assert [line for line in KNOWN.values() if f"| {line} |" not in PAGE.read_text()] == []
