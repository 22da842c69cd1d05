"""Models of sequences: Triton's examples, and those of its own backends for trying out."""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[2] / "data" / "model_repository"


def control(name: str, values: str = "int32_false_true: [ 0, 1 ]") -> str:
    return f'control_input {{ name: "{name}" control {{ kind: CONTROL_SEQUENCE_{name} {values} }} }}'


VECTORS = """
input { name: "INPUT" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUTPUT" data_type: TYPE_INT32 dims: [ 1 ] }
"""
BOTH = f"{control('START')} {control('READY')}"
IDLE = "max_sequence_idle_microseconds: 60000000"


def direct(more: str = "") -> str:
    return f'backend: "sequence" sequence_batching {{ {BOTH} {IDLE} {more} }} {VECTORS}'


def oldest(id_type: str, more: str = "") -> str:
    corrid = control("CORRID", f"data_type: {id_type}")
    return (
        f'backend: "dyna_sequence" sequence_batching {{ oldest {{ max_candidate_sequences: 64 {more} }} '
        f"{BOTH} {control('END')} {corrid} {IDLE} }} {VECTORS}"
    )


def slow(milliseconds: int) -> str:
    return f'parameters {{ key: "execute_delay_ms" value {{ string_value: "{milliseconds}" }} }}'


MODELS = {
    "sum": f"max_batch_size: 4 {direct()}",
    "one": f"max_batch_size: 0 {direct()}",
    "sum_by_id": f"max_batch_size: 8 {oldest('TYPE_UINT64')}",
    "simple_string_dyna_sequence": f"max_batch_size: 8 {oldest('TYPE_STRING')}",
    "slow": f"max_batch_size: 1 {direct()} {slow(300)}",
    "impatient": f"max_batch_size: 1 {direct().replace('60000000', '100000')}",
}
EXAMPLES = ("simple_sequence", "simple_dyna_sequence")


def write(folder: Path) -> Path:
    """Put all of them into a folder."""
    for name in EXAMPLES:
        shutil.copytree(REPOSITORY / name, folder / name)
    for name, config in MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(f'name: "{name}" {config}\n')
    return folder
