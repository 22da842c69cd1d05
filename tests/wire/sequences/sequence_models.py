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


ITERATING = f'backend: "iterative_sequence" model_transaction_policy {{ decoupled: true }} {VECTORS}'


def iterative(more: str = "") -> str:
    return f"{ITERATING} sequence_batching {{ iterative_sequence: true {IDLE} {more} }}"


STATE = 'state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [ 1 ]'
GROWN = 'state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT8 dims: [ -1 ]'
STATED = f"""
backend: "implicit_state"
input {{ name: "INPUT" data_type: TYPE_INT32 dims: [ 1 ] }}
input {{ name: "TEST_CASE" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "OUTPUT" data_type: TYPE_INT32 dims: [ 1 ] }}
sequence_batching {{ {BOTH} {control("END")} {IDLE} %s }}
"""

MODELS = {
    "sum": f"max_batch_size: 4 {direct()}",
    "one": f"max_batch_size: 0 {direct()}",
    "sum_by_id": f"max_batch_size: 8 {oldest('TYPE_UINT64')}",
    "simple_string_dyna_sequence": f"max_batch_size: 8 {oldest('TYPE_STRING')}",
    "iterative": f"max_batch_size: 4 {iterative()}",
    "iterative_oldest": f"max_batch_size: 4 {iterative('oldest { max_candidate_sequences: 16 }')}",
    "iterative_one": f"max_batch_size: 1 {iterative()}",
    "iterative_slow": f"max_batch_size: 1 {iterative()} {slow(100)}",
    "not_iterative": f"max_batch_size: 4 {iterative().replace('iterative_sequence: true', '')}",
    "dynamic": f"max_batch_size: 4 {ITERATING} dynamic_batching {{ }}",
    "stated": STATED % f"{STATE} use_same_buffer_for_input_output: true }}",
    "stateless": STATED % "",
    "grown": STATED % f"{GROWN} use_same_buffer_for_input_output: true use_growable_memory: true }}",
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
