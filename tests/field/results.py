"""What the comparison found: `results.json`, from which `docs/reference/families.md` is generated.

A record is written when a row has passed, and only where NAIAD_FIELD_RESULTS is set (`make test-field` sets it). It
carries a digest of the row's facts, so that a row that was changed after it ran counts as one that did not run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from published.row import Published

RESULTS = Path(__file__).parent / "results.json"


def read_results() -> dict[str, dict[str, str]]:
    """Checkpoint's name → what was recorded when it passed."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def describe(row: Published, by: str = "builder") -> dict[str, str]:
    """The record of a row. by: who makes its graph, builder or exporter."""
    return {
        "family": row.family,
        "model": row.model,
        "task": row.task,
        "tokenizer": str(row.vocabulary.config.get("tokenizer_class", "")) if row.vocabulary else "",
        "by": by,
        "facts": hashlib.sha256(repr(_facts(row)).encode()).hexdigest()[:12],
    }


def _facts(row: Any) -> Any:
    """What is written down of a row, so that a field which it leaves out changes nothing."""
    if not dataclasses.is_dataclass(row):
        return row
    told = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    plain = {field.name: field.default for field in dataclasses.fields(row)}
    return [(name, _facts(value)) for name, value in told.items() if value is not plain[name] and value != plain[name]]


def record(row: Published, passed: bool, by: str = "builder") -> None:
    """Write down that a row has passed, or forget that it ever did."""
    if not os.environ.get("NAIAD_FIELD_RESULTS"):
        return
    results: dict[str, Any] = read_results()
    results.pop(row.name, None)
    if passed:
        results[row.name] = describe(row, by)
    text = json.dumps(dict(sorted(results.items())), ensure_ascii=False, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
