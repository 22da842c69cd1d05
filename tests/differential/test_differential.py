"""The same requests to NVIDIA's own server and to ours, over HTTP and gRPC: what differs is on the page of differences.

The cases are tables in `cases`; how they are sent and compared is in `harness`. Needs the environment of
`make test-triton`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases.listed import ELSEWHERE, LISTED, OURS_ONLY, RULES, line_of
from harness.case import Step, get
from harness.compare import expected
from harness.http_call import call_http
from harness.models import write_repository
from harness.report import COUNTS
from harness.tables import FATAL, all_cases

from naiad.testing import running_server

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "differences.md"
CASES = list(all_cases())
USED: set[str] = set()
SEEN: set[str] = set()


@pytest.mark.parametrize(("configuration", "name", "steps"), CASES, ids=[name for _, name, _ in CASES])
def test_ours_answers_as_triton(pair: Callable[[str], Any], configuration: str, name: str, steps: list[Step]) -> None:
    triton, ours = pair(configuration)
    theirs = expected(triton.ask(steps), USED)
    answered = ours.ask(steps)
    SEEN.add(name)
    line = line_of(name)
    is_right = (answered == theirs) is (line is None)
    COUNTS["wrong" if not is_right else "equal" if line is None else "listed"] += 1
    if line is None:
        assert answered == theirs
    else:
        assert answered != theirs, f"no longer differs: {line}"


def test_what_ends_triton_does_not_end_ours(tmp_path: Path) -> None:
    with running_server(str(write_repository(tmp_path, is_triton=False, has_broken=False))) as running:
        host, _, port = running.address.rpartition(":")
        for name, step in FATAL.items():
            assert call_http((host, int(port)), step)["status"] in (200, 400), name
            assert call_http((host, int(port)), get("/v2/health/ready"))["status"] == 200, name


def test_one_of_them_still_ends_triton(pair: Callable[[str], Any]) -> None:
    triton, _ = pair("restricted")  # the last configuration; nothing asks it any more
    assert "no answer" in triton.ask([next(iter(FATAL.values()))])[0]


def test_every_rule_is_needed() -> None:
    if len(SEEN) < len(CASES):
        pytest.skip("only some of the cases ran")
    assert set(RULES) == USED


def test_every_listed_case_exists() -> None:
    names = {name for _, name, _ in CASES}
    listed = [name for cases in LISTED.values() for name in cases]
    assert [name for name in listed if name not in names] == []
    assert len(listed) == len(set(listed))
    assert [line for line, cases in LISTED.items() if not cases and line not in (*RULES.values(), OURS_ONLY)] == []


def test_the_page_has_these_differences_and_no_others() -> None:
    from_triton, _, _ = PAGE.read_text().partition("\n## From ClearML-Serving")
    rows = re.findall(r"^\| (.+?) \| .+ \|$", from_triton, re.MULTILINE)
    assert sorted(row for row in rows if row not in ("Difference", "---")) == sorted([*LISTED, *ELSEWHERE])


def test_no_two_cases_have_one_name() -> None:
    names = [name for _, name, _ in CASES]
    assert len(names) == len(set(names))
