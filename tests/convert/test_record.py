"""What a converted folder says of itself is read back, or refused with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.convert.record import RECORD, read_record, write_record
from naiad.core.errors import LoadFailed

WHOLE = {"task": "fill-mask", "precision": "int8", "by": "builder", "gate": {"setting": "default"}, "more": 1}


def test_a_folder_that_was_not_converted(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    ("precision", "by", "expected"),
    [
        ("int8", "builder", "int8"),
        ("fp32", "builder", "none"),
        ("fp16", "builder", "none"),
        ("int8", "exporter", "none"),
    ],
)
def test_only_graphs_that_are_built_at_load_are_quantised_then(
    tmp_path: Path, precision: str, by: str, expected: str
) -> None:
    write_record(tmp_path, {**WHOLE, "precision": precision, "by": by})
    record = read_record(tmp_path)
    assert record is not None
    assert record.quantize == expected
    assert record.facts() == {"precision": precision, "converted_by": by, "accuracy_gate": "default"}


@pytest.mark.parametrize(("found", "expected"), [({}, True), ({"rows_are_independent": False}, False)])
def test_whether_answers_depend_on_company(found: dict[str, Any], expected: bool, tmp_path: Path) -> None:
    write_record(tmp_path, {**WHOLE, "gate": {"setting": "default", **found}})
    record = read_record(tmp_path)
    assert record is not None
    assert record.rows_are_independent is expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"task": "a", "precision": "p", "by": "b", "gate": "c"}',
        '{"task": "a", "precision": "p", "by": "b", "gate": {"setting": "c", "rows_are_independent": 1}}',
        '{"task": "a", "precision": 3, "by": "b", "gate": {"setting": "c"}}',
    ],
)
def test_a_record_that_cannot_be_understood(tmp_path: Path, content: Any) -> None:
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(LoadFailed, match="convert the model again"):
        read_record(tmp_path)
