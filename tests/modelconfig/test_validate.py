"""One row for each contradiction: what is wrong, and the words that must be in the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig import finish, prepare

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [2]}
Y = {**X, "name": "y"}
DELAY = {"timeout_action": "DELAY", "default_timeout_microseconds": 1}
LEVELS = {"priority_levels": 2, "default_priority_level": 1}


def given(**fields: Any) -> dict[str, Any]:
    return prepare({"backend": "identity", "max_batch_size": 8, "input": [X], "output": [Y], **fields}, "m")


def control(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "control": [{"kind": kind, "int32_false_true": [0, 1], **more}]}


START = control("S", "CONTROL_SEQUENCE_START")
STATE = {"input_name": "i", "output_name": "o", "data_type": "TYPE_FP32", "dims": [2]}
INITIAL = {"name": "s", "data_type": "TYPE_FP32", "dims": [2]}


def states(**fields: Any) -> dict[str, Any]:
    """A model whose one state has these fields."""
    return {"sequence_batching": {"state": [{**STATE, **fields}]}}


def begins(**fields: Any) -> dict[str, Any]:
    """A model whose one state begins with these fields."""
    return states(initial_state=[{**INITIAL, "zero_data": True, **fields}])


CORRID = {"name": "C", "control": [{"kind": "CONTROL_SEQUENCE_CORRID", "data_type": "TYPE_UINT64"}]}

RAGGED = {"input": [{**X, "allow_ragged_batch": True}]}
COUNT = {"source_input": ["x"], "target_name": ["t"], "data_type": "TYPE_FP32"}
TENSORS: list[tuple[dict[str, Any], str]] = [
    ({"max_batch_size": -1}, "'max_batch_size' must be non-negative"),
    ({"input": [{**X, "name": ""}]}, "model input must specify 'name'"),
    ({"input": [X, X]}, "model input 'x' is specified more than once"),
    ({"output": [Y, Y]}, "model output 'y' is specified more than once"),
    ({"input": [{**X, "data_type": "TYPE_INVALID"}]}, "model input 'x' must specify 'data_type'"),
    ({"input": [{**X, "data_type": 99}]}, "model input 'x' must specify 'data_type'"),
    ({"input": [{**X, "dims": []}]}, "model input 'x' must specify 'dims'"),
    ({"output": [{**Y, "dims": []}]}, "model output 'y' must specify 'dims'"),
    ({"input": [{**X, "dims": [0]}]}, "dimension must be integer >= 1, or -1"),
    ({"input": [{**X, "dims": [-2]}]}, "dimension must be integer >= 1, or -1"),
    (
        {"input": [{**X, "is_shape_tensor": True}]},
        "shape tensors are only supported for TensorRT platform for m; remove 'is_shape_tensor'",
    ),
    (
        {"output": [{**Y, "is_non_linear_format_io": True}]},
        "Non-linear IO format is only supported for the TensorRT platform",
    ),
    (
        {"input": [{**X, "reshape": {"shape": [3]}}]},
        r"different size for dims and reshape for m; dims are \[2\], reshape is \[3\]",
    ),
    ({"input": [{**X, "dims": [-1], "reshape": {"shape": [-1, -1]}}]}, "different number of variable-size dimensions"),
    ({"input": [{**X, "dims": [-1, 2], "reshape": {"shape": [2, -1]}}]}, "has different size for dims"),
    ({"input": [{**X, "dims": [1], "reshape": {"shape": [0]}}]}, "reshape dimensions must be integer >= 1"),
    ({"max_batch_size": 0, "input": [{**X, "reshape": {"shape": []}}]}, "cannot have empty reshape"),
    (
        {"max_batch_size": 0, "input": [{**X, "allow_ragged_batch": True}]},
        "allows ragged batches, which needs batching",
    ),
    ({"input": [{**X, "format": "FORMAT_NCHW"}]}, "NHWC/NCHW require 3 dims for m; 'x' has 1"),
    ({"output": [{**Y, "label_filename": "../l.txt"}]}, "must be a path inside the model's folder"),
    ({"output": [{**Y, "label_filename": "/etc/passwd"}]}, "must be a path inside the model's folder"),
    ({"output": [{**Y, "label_filename": "a\\..\\..\\l.txt"}]}, "must be a path inside the model's folder"),
    ({"output": [{**Y, "label_filename": "C:/l.txt"}]}, "must be a path inside the model's folder"),
    (
        {"model_warmup": [{"name": "w", "inputs": {"x": {"input_data_file": "../../d"}}}]},
        "model_warmup 'w' input 'x' '../../d' must be a path inside",
    ),
    (
        {"sequence_batching": {"state": [{**STATE, "initial_state": [{**INITIAL, "data_file": "../f"}]}]}},
        "initial_state 's' data_file '../f' must be a path inside",
    ),
    ({"instance_group": [{"name": "g"}, {"name": "g"}]}, "instance group name 'g' of model m is used more than once"),
    ({"instance_group": [{"count": -1}]}, "must have count >= 1"),
    ({"instance_group": [{"kind": 17}]}, "has unknown kind 17"),
    ({"instance_group": [{"kind": "KIND_CPU", "gpus": [0]}]}, "has kind KIND_CPU but specifies one or more GPUs"),
    ({"instance_group": [{"kind": "KIND_CPU", "secondary_devices": [{}]}]}, "has secondary devices"),
    ({"instance_group": [{"kind": "KIND_MODEL", "gpus": [0]}]}, "has kind KIND_MODEL but specifies one or more GPUs"),
    (
        {"instance_group": [{"profile": ["0"]}]},
        "instance group m_0 of model m and platform specifies profile field which is only supported for TensorRT",
    ),
    ({"model_metrics": {"metric_control": [{}]}}, "metric control must specify 'metric_identifier'"),
    ({"model_metrics": {"metric_control": [{"metric_identifier": {}}]}}, "must specify non-empty 'family'"),
    (
        {"model_metrics": {"metric_control": [{"metric_identifier": {"family": "f"}}]}},
        "metric control must specify 'histogram_options'",
    ),
    (
        {"model_metrics": {"metric_control": [{"metric_identifier": {"family": "f"}, "histogram_options": {}}]}},
        "histogram options must specify non-empty 'buckets'",
    ),
    ({"instance_group": [{"passive": True}]}, "every instance group of model m is passive"),
    ({"instance_group": [{"count": 2**31 - 1}]}, "a count of 2147483647 together, this machine allows"),
    ({"instance_group": [{"count": 1}] * 4_000}, "a count of 4000 together, this machine allows"),
    ({"instance_group": [{"count": 10**6, "passive": True}, {}]}, "a count of 1000001 together, this machine allows"),
    ({"instance_group": [{"kind": "KIND_GPU"}]}, "has kind KIND_GPU but server does not support GPUs"),
    ({"max_batch_size": 0, "batch_input": [{}]}, "'batch_input' needs batching"),
    ({"batch_input": [{**COUNT, "source_input": ["q"]}]}, "unknown source input name 'q' for m"),
    ({"batch_input": [{**COUNT, "target_name": []}]}, "needs a target_name"),
    ({**RAGGED, "batch_input": [{**COUNT, "target_name": ["x"]}]}, "makes 'x', which requests bring"),
    (
        {**RAGGED, "batch_input": [{**COUNT, "target_name": ["t", "t"]}]},
        "target input name 't' can only be specified once for m",
    ),
    ({**RAGGED, "batch_input": [COUNT, COUNT]}, "target input name 't' can only be specified once for m"),
    ({"input": [{**X, "optional": True}], "batch_input": [COUNT]}, "source input 'x', which is optional"),
    ({"batch_output": [{"target_name": ["z"], "source_input": ["x"]}]}, "unknown target output name 'z' for m"),
    (
        {"output": [{**Y, "dims": [2, -1]}], "batch_output": [{"target_name": ["y"], "source_input": ["x"]}]},
        "cannot tell the shape of 'y': it has a variable dimension where 'x' has no dimension",
    ),
    ({"batch_output": [{"target_name": ["y"]}]}, "expects 1 source input, got 0 for m"),
    (
        {"batch_input": [{**COUNT, "data_type": "TYPE_INT64"}]},
        "batch input data type must be TYPE_INT32 or TYPE_FP32 for m; it is TYPE_INT64",
    ),
]

SCHEDULING: list[tuple[dict[str, Any], str]] = [
    ({"dynamic_batching": {"preferred_batch_size": [9]}}, "preferred size must be <= max batch size for m; 9 > 8"),
    ({"dynamic_batching": {"preferred_batch_size": [0]}}, "preferred size must be positive for m; it is 0"),
    ({"max_batch_size": 0, "dynamic_batching": {"preferred_batch_size": [1]}}, "must be <= max batch size"),
    ({"dynamic_batching": {"priority_levels": 2}}, r"default priority level must be in range \[1, 2\] for m; it is 0"),
    (
        {"dynamic_batching": {**LEVELS, "priority_queue_policy": {"3": {}}}},
        r"in range \[1, 2\] for m; there is one for level 3",
    ),
    (
        {"dynamic_batching": {**LEVELS, "preserve_ordering": True}},
        "Only one priority level is allowed when 'preserve_ordering' is true for m",
    ),
    (
        {"dynamic_batching": {"preserve_ordering": True, "default_queue_policy": DELAY}},
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    ),
    ({"sequence_batching": {"direct": {"minimum_slot_utilization": 1.5}}}, "minimum slot utilization must be in range"),
    (
        {"sequence_batching": {"direct": {"minimum_slot_utilization": "NaN"}}},
        "minimum slot utilization must be in range",
    ),
    (
        {"sequence_batching": {"oldest": {"preferred_batch_size": [9]}}},
        "sequence batching preferred batch size must be",
    ),
    (
        {"sequence_batching": {"control_input": [START, control("T", "CONTROL_SEQUENCE_START")]}},
        "sequence batching specifies multiple CONTROL_SEQUENCE_START tensors for m",
    ),
    ({"sequence_batching": {"control_input": [control("", "CONTROL_SEQUENCE_END")]}}, "must have a name"),
    (
        {"sequence_batching": {"control_input": [START, control("S", "CONTROL_SEQUENCE_END")]}},
        "control tensor 'S' is specified for multiple control kinds",
    ),
    ({"sequence_batching": {"control_input": [{"name": "S"}]}}, "control tensor 'S' needs exactly one control"),
    (
        {"sequence_batching": {"control_input": [control("S", "CONTROL_SEQUENCE_END", bool_false_true=[False, True])]}},
        "specifies more than one from",
    ),
    (
        {"sequence_batching": {"control_input": [control("S", "CONTROL_SEQUENCE_END", int32_false_true=[0])]}},
        "'int32_false_true' must have exactly 2 entries",
    ),
    (
        {"sequence_batching": {"control_input": [control("C", "CONTROL_SEQUENCE_CORRID")]}},
        "must not specify either 'int32_false_true'",
    ),
    (
        {"sequence_batching": {"state": [{"input_name": "i", "output_name": ""}]}},
        "state needs its own output_name",
    ),
    (
        {"sequence_batching": {"state": [{**STATE, "initial_state": [{}, {}]}]}},
        "may have only one initial_state",
    ),
    ({"sequence_batching": {"oldest": {"max_candidate_sequences": -1}}}, "max_candidate_sequences must not be neg"),
    (states(data_type="TYPE_INVALID"), "state 'i' must specify 'data_type', one of TYPE_BOOL"),
    (states(dims=[]), "state 'i' must specify 'dims'"),
    (states(dims=[0]), "state 'i' must specify 'dims'"),
    (states(use_growable_memory=True), "you must also enable 'use_same_buffer_for_input_output' for state input name"),
    (begins(data_type="TYPE_INT32"), "field of state 'i' does not match the state data type"),
    (begins(name=""), "Field 'name' must be set when using initial_state for state input 'i'"),
    (begins(dims=[2, 2]), "doesn't match the size of 'state' dimensions for state input 'i'. 2 != 1"),
    (begins(dims=[-1]), "'initial_state' field for state input name 'i' contains variable dimensions"),
    (begins(dims=[3]), "'initial_state' dim for input name 'i' doesn't match 'state' dim description. 3 != 2"),
    (
        {"sequence_batching": {"state": [{**STATE, "initial_state": [{**INITIAL}]}]}},
        "initial_state setting expects state'i' to have state_data set",
    ),
    (
        {"response_cache": {"enable": True}, "sequence_batching": {}},
        "Response Cache does not currently support model m with sequence",
    ),
    (
        {"response_cache": {"enable": True}, "model_transaction_policy": {"decoupled": True}},
        "Response Cache does not currently support model m with 'decoupled'",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), [*TENSORS, *SCHEDULING])
def test_a_contradiction_is_refused_by_name(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidConfiguration, match=expected) as caught:
        finish(given(**fields))
    assert "m" in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_batch_size": 0},
        {"input": [{**X, "dims": [1], "reshape": {"shape": []}}]},
        {"max_batch_size": 0, "input": [{**X, "dims": [1], "reshape": {"shape": []}}]},
        {"input": [{**X, "dims": [-1, 2, 3], "reshape": {"shape": [-1, 6]}}]},
        {"input": [{**X, "dims": [2, -1, -1], "reshape": {"shape": [2, -1, 1, -1]}}]},
        {"input": [{**X, "dims": [3, 4, 5], "format": "FORMAT_NHWC"}]},
        {"dynamic_batching": {**LEVELS, "priority_queue_policy": {"2": {}}}},
        {"dynamic_batching": {"preserve_ordering": True, "priority_levels": 1, "default_priority_level": 1}},
        {"sequence_batching": {"control_input": [START, CORRID], "direct": {"minimum_slot_utilization": 1.0}}},
        {"response_cache": {"enable": True}},
        {"dynamic_batching": {"default_priority_level": 1, "priority_queue_policy": {"7": {}}}},
        {"dynamic_batching": {"preserve_ordering": True, "default_queue_policy": {"timeout_action": "DELAY"}}},
        states(dims=[-1], use_same_buffer_for_input_output=True, use_growable_memory=True),
        begins(),
        {"model_warmup": [{"name": "w", "inputs": {"x": {"zero_data": True}}}]},
        {"instance_group": [{"passive": True}, {}]},
        {"instance_group": [{"count": 64}, {"count": 64}]},
        {"dynamic_batching": {"priority_levels": 2**64 - 1, "default_priority_level": 2**63}},
        {"dynamic_batching": {"max_queue_delay_microseconds": 2**64 - 1}},
        {"dynamic_batching": {"default_queue_policy": {"max_queue_size": 2**32 - 1}}},
        {"version_policy": {"latest": {"num_versions": 2**32 - 1}}},
        {"max_batch_size": 2**31 - 1, "input": [{**X, "dims": [2**62, 2**62]}]},
        {"model_warmup": [{"name": "w", "count": 2**32 - 1, "batch_size": 2**32 - 1}]},
        {"batch_input": [{**COUNT, "target_name": ["t", "u"]}]},
        {**RAGGED, "batch_output": [{"target_name": ["y"], "source_input": ["x"]}]},
    ],
)
def test_what_is_right_passes(fields: dict[str, Any]) -> None:
    assert finish(given(**fields)).name == "m"


def test_a_missing_backend_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="must specify 'platform' or 'backend' for 'm'"):
        finish({"name": "m"})


def test_files_that_are_named_must_exist(tmp_path: Path) -> None:
    """A link counts: the Hub's cache is made of links out of the model's folder."""
    fields = given(output=[{**Y, "label_filename": "labels.txt"}])
    model_dir = tmp_path / "m"
    model_dir.mkdir()
    with pytest.raises(InvalidConfiguration, match=r"label_filename 'labels.txt' does not exist in "):
        finish(fields, model_dir=model_dir)
    (tmp_path / "blob").write_text("a\nb\n")
    (model_dir / "labels.txt").symlink_to(tmp_path / "blob")
    assert finish(fields, model_dir=model_dir).outputs[0].label_filename == "labels.txt"
