"""What a converted folder says of its conversion: `naiad_conversion.json`, written by `naiad convert`, read at load.

The task and the precision that were asked for count when the folder is served, and whether answers depend on company;
the gate's other findings are for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed

RECORD = "naiad_conversion.json"

QUANTIZE = {"int8": "int8"}
"""Precision of a folder whose graph is built when it is loaded → `quantize`; others are in the weights already."""


@dataclass(frozen=True, slots=True)
class Record:
    """What counts at load."""

    task: str
    precision: str
    by: str
    """`builder`: the graph is built from the safetensors at load. `exporter`: the folder holds it."""
    gate: str
    """strict, default, or off."""
    rows_are_independent: bool = True
    """Whether an answer was the same in company; if not, inputs are run one by one."""

    @property
    def quantize(self) -> str:
        """In the manifest's words, for folders whose graph is built at load."""
        return QUANTIZE.get(self.precision, "none") if self.by == "builder" else "none"

    def facts(self) -> dict[str, str]:
        """For the model's configuration, where people look."""
        return {"precision": self.precision, "converted_by": self.by, "accuracy_gate": self.gate}


def read_record(folder: Path) -> Record | None:
    """The folder's record; None where it was not converted. Raises LoadFailed for one that cannot be understood."""
    path = folder / RECORD
    try:
        content = json.loads(path.read_bytes())
        fields = {name: content[name] for name in ("task", "precision", "by")}
        gate = content["gate"]
        record = Record(**fields, gate=gate["setting"], rows_are_independent=gate.get("rows_are_independent", True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(f"{path} is not a conversion's record: {error}; convert the model again") from error
    if not all(isinstance(value, str) for value in (*fields.values(), record.gate)):
        raise LoadFailed(f"{path} is not a conversion's record: its values must be strings; convert the model again")
    if not isinstance(record.rows_are_independent, bool):
        raise LoadFailed(
            f"{path} is not a conversion's record: rows_are_independent must be true or false; convert the model again"
        )
    return record


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write it."""
    (folder / RECORD).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
