"""Every published configuration, served, answers as transformers and sentence-transformers do.

One test for each row of `published/`: a folder as it would come from the Hub, two layers deep, with random weights. All
that differs is reported at once, by text and by way of asking.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (make test-torch)")

from asking.faults import Questions, answer_faults, tensor_faults
from asking.tasks import TASKS
from making.checkpoint import write_checkpoint
from making.words import minilm_folder
from published import ROWS
from published.row import Published

from naiad.convert.checkpoint import builder_knows
from naiad.convert.image_checkpoint import image_builder_knows
from naiad.repository import ModelEntry
from naiad.testing import RunningServer, running_server
from results import describe, read_results, record

pytestmark = [
    pytest.mark.torch,
    pytest.mark.field,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(minilm_folder() is None, reason="no MiniLM here; make setup-model installs it"),
]

SMALL = 12_000_000
"""Cost of a row that runs by default; make test-field runs all rows."""


OPEN_FAULTS: dict[str, str] = {}
"""Rows that are known to fail, and why; a row that passes has to leave this table."""


def chosen_rows() -> list[Any]:
    """What to run, small ones first: by NAIAD_FIELD all, or new for those that have not passed as they are now."""
    rows, known = sorted(ROWS, key=lambda row: row.cost), read_results()
    wanted = {
        "all": rows,
        "new": [row for row in rows if known.get(row.name, {}).get("facts") != describe(row)["facts"]],
        "": [row for row in rows if row.cost <= SMALL],
    }
    chosen = wanted[os.environ.get("NAIAD_FIELD", "")]
    open_faults = {name: pytest.mark.xfail(reason=reason, strict=True) for name, reason in OPEN_FAULTS.items()}
    return [pytest.param(row, id=row.name, marks=open_faults.get(row.name, ())) for row in chosen]


def is_built(row: Published) -> bool:
    """Whether our own builder makes the graph; else torch's exporter does, while the model loads."""
    return builder_knows(row.config) or image_builder_knows(row.config)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the checkpoint and what is converted of it; gone after the test, because some take gigabytes."""
    with tempfile.TemporaryDirectory(prefix="naiad-field-") as folder:
        monkeypatch.setenv("NAIAD_CACHE", f"{folder}/cache")
        yield Path(folder)


@pytest.mark.parametrize("row", chosen_rows())
def test_equals_transformers(row: Published, place: Path) -> None:
    folder = place / "checkpoint"
    write_checkpoint(folder, row)
    entry = ModelEntry.from_source(f"m={folder}")
    with running_server(entry) as server:
        assert server.all_loaded, _index(server)
        questions = Questions.texts(row.longest) if row.longest else Questions.images()
        theirs = TASKS[row.task](folder, row)
        faults = list(answer_faults(server, theirs, questions))
        if row.longest:
            faults += tensor_faults(server, theirs)
    record(row, passed=not faults, by="builder" if is_built(row) else "exporter")
    assert faults == [], f"\n{row.name} ({row.model}), {len(faults)} faults:\n" + "\n".join(faults)


def _index(server: RunningServer) -> list[dict[str, Any]]:
    import json
    import urllib.request

    request = urllib.request.Request(f"{server.url}/v2/repository/index", b"{}")
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found
