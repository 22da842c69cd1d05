"""The page on jobs: its Python runs as it stands, and the options that it names have the defaults that it gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from naiad.core.settings.jobs import JobSettings
from naiad.testing import running_server

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "how-to" / "run-jobs.md").read_text()
DEFAULTS = {"1 GiB": 2**30, "a day": 86_400.0, "100,000": 100_000}


def test_the_python_runs_and_prints_what_came_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    model = str(TESTS / "data" / "model_repository" / "simple")
    with running_server(model, jobs=str(tmp_path / "jobs"), allow_grpc=False) as server:
        exec(compile(block.replace("localhost:8000", server.address), "run-jobs.md", "exec"), {})  # noqa: S102 - our page
    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[0-9a-f]{32} (waiting|running|done)", first)
    assert "".join(rest) == "[[2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2]]"


def test_the_table_of_options_is_right() -> None:
    rows = re.findall(r"^\| `(--jobs-[a-z-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    defaults = {option.flag: option.default for option in JobSettings.options()}
    assert len(rows) == 6
    for flag, written in rows:
        assert defaults[flag] == DEFAULTS.get(written, None if not written.isdigit() else int(written)), flag
