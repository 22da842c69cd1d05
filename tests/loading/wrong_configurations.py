"""Configurations that are wrong, as a config.pbtxt has them, and what Triton says of each.

In texts and words, {backend} is the backend of whoever reads them and {model} the name of the model.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

HEAD = 'backend: "{backend}"\n'
BATCH = "max_batch_size: 8\n"
X = 'input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }\n'
Y = 'output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }\n'
RIGHT = HEAD + BATCH + X + Y


def inputs(*tensors: str, batch: str = BATCH) -> str:
    return HEAD + batch + "".join(f"input {{ {tensor} }}\n" for tensor in tensors) + Y


def outputs(*tensors: str, batch: str = BATCH) -> str:
    return HEAD + batch + X + "".join(f"output {{ {tensor} }}\n" for tensor in tensors)


def shaped(dims: str, reshape: str, batch: str = BATCH) -> str:
    return inputs(f'name: "x" data_type: TYPE_FP32 dims: [ {dims} ] reshape {{ shape: [ {reshape} ] }}', batch=batch)


TENSORS = {
    "negative batch": HEAD + "max_batch_size: -1\n" + X + Y,
    "very negative batch": HEAD + "max_batch_size: -2147483648\n" + X + Y,
    "file of no backend": 'default_model_filename: "model.bin"\n' + BATCH + X + Y,
    "unknown platform": 'platform: "frobnicator"\n' + BATCH + X + Y,
    "platform of another backend": 'platform: "onnxruntime_onnx" backend: "tensorrt"\n' + BATCH + X + Y,
    "input without a name": inputs("data_type: TYPE_FP32 dims: [ 2 ]"),
    "input without a type": inputs('name: "x" dims: [ 2 ]'),
    "input of an invalid type": inputs('name: "x" data_type: TYPE_INVALID dims: [ 2 ]'),
    "input without dims": inputs('name: "x" data_type: TYPE_FP32'),
    "input with a dim of 0": inputs('name: "x" data_type: TYPE_FP32 dims: [ 0 ]'),
    "input with a dim of -2": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2, -2 ]'),
    "output without a name": outputs("data_type: TYPE_FP32 dims: [ 2 ]"),
    "output without a type": outputs('name: "y" dims: [ 2 ]'),
    "output without dims": outputs('name: "y" data_type: TYPE_FP32'),
    "output with a dim of 0": outputs('name: "y" data_type: TYPE_FP32 dims: [ 0 ]'),
    "output with a dim of -2": outputs('name: "y" data_type: TYPE_FP32 dims: [ -2 ]'),
    "second input without dims": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2 ]', 'name: "z" data_type: TYPE_FP32'),
    "input twice": inputs(*['name: "x" data_type: TYPE_FP32 dims: [ 2 ]'] * 2),
    "output twice": outputs(*['name: "y" data_type: TYPE_FP32 dims: [ 2 ]'] * 2),
    "shape tensor": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2 ] is_shape_tensor: true'),
    "shape tensor as output": outputs('name: "y" data_type: TYPE_FP32 dims: [ 2 ] is_shape_tensor: true'),
    "NHWC with two dims": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2, 2 ] format: FORMAT_NHWC'),
    "NCHW with one dim": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2 ] format: FORMAT_NCHW'),
    "NCHW with four dims": inputs('name: "x" data_type: TYPE_FP32 dims: [ 1, 2, 2, 2 ] format: FORMAT_NCHW'),
    "ragged without batches": inputs('name: "x" data_type: TYPE_FP32 dims: [ 2 ] allow_ragged_batch: true', batch=""),
}

RESHAPES = {
    "reshape to more": shaped("2", "3"),
    "reshape to fewer": shaped("4, 4", "15"),
    "reshape to a dim of 0": shaped("1", "0"),
    "reshape to a dim of -2": shaped("2", "-2"),
    "reshape to any": shaped("2", "-1"),
    "reshape from any": shaped("-1", "2"),
    "reshape with another number of wildcards": shaped("-1, -1", "-1, 4"),
    "reshape with other products before the wildcard": shaped("2, -1", "3, -1"),
    "reshape with other products after the wildcard": shaped("-1, 2", "-1, 3"),
    "reshape that moves a factor over the wildcard": shaped("2, -1", "-1, 2"),
    "empty reshape of two elements": shaped("2", ""),
    "empty reshape of any": shaped("-1", ""),
    "empty reshape without batches": shaped("1", "", batch=""),
    "empty reshape of two elements without batches": shaped("2", "", batch=""),
    "reshape of an output": outputs('name: "y" data_type: TYPE_FP32 dims: [ 2 ] reshape { shape: [ 3 ] }'),
    "reshape of an output to any": outputs('name: "y" data_type: TYPE_FP32 dims: [ 2 ] reshape { shape: [ -1 ] }'),
}

DYNAMIC = {
    "preferred above the maximum": "dynamic_batching { preferred_batch_size: [ 9 ] }",
    "one preferred above the maximum": "dynamic_batching { preferred_batch_size: [ 4, 16 ] }",
    "preferred of 0": "dynamic_batching { preferred_batch_size: [ 0 ] }",
    "negative preferred": "dynamic_batching { preferred_batch_size: [ -1 ] }",
    "levels without a default": "dynamic_batching { priority_levels: 2 }",
    "default above the levels": "dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
    "policy of level 0": "dynamic_batching { priority_levels: 2 default_priority_level: 1 "
    "priority_queue_policy { key: 0 value { } } }",
    "policy above the levels": "dynamic_batching { priority_levels: 2 default_priority_level: 1 "
    "priority_queue_policy { key: 3 value { } } }",
    "order with levels": "dynamic_batching { preserve_ordering: true priority_levels: 2 default_priority_level: 1 }",
    "order with delay": "dynamic_batching { preserve_ordering: true default_queue_policy { timeout_action: DELAY "
    "default_timeout_microseconds: 1 } }",
    "order with delay of a level": "dynamic_batching { preserve_ordering: true priority_levels: 1 "
    "default_priority_level: 1 priority_queue_policy { key: 1 value { timeout_action: DELAY "
    "default_timeout_microseconds: 1 } } }",
    "unknown timeout action": "dynamic_batching { default_queue_policy { timeout_action: WAIT } }",
    "negative delay": "dynamic_batching { max_queue_delay_microseconds: -1 }",
    "delay beyond 64 bits": "dynamic_batching { max_queue_delay_microseconds: 18446744073709551616 }",
    "queue size beyond 32 bits": "dynamic_batching { default_queue_policy { max_queue_size: 4294967296 } }",
    "two schedulers": "dynamic_batching { } sequence_batching { }",
    "cache of a decoupled model": "model_transaction_policy { decoupled: true } response_cache { enable: true }",
}

GROUPS = {
    "GPU": "instance_group { kind: KIND_GPU }",
    "GPU with a number": "instance_group { kind: KIND_GPU gpus: [ 0 ] }",
    "CPU with GPUs": "instance_group { kind: KIND_CPU gpus: [ 0 ] }",
    "MODEL with GPUs": "instance_group { kind: KIND_MODEL gpus: [ 0 ] }",
    "second group with GPUs": "instance_group { kind: KIND_CPU } instance_group { kind: KIND_CPU gpus: [ 0, 1 ] }",
    "AUTO with GPUs": "instance_group { gpus: [ 0, 1 ] }",
    "profile": 'instance_group { kind: KIND_CPU profile: "0" }',
    "unknown kind": "instance_group { kind: KIND_TPU }",
    "count beyond 32 bits": "instance_group { count: 2147483648 }",
    "unknown field of a group": "instance_group { counts: 1 }",
    "negative resource": 'instance_group { rate_limiter { resources { name: "R" count: -1 } } }',
    "negative rate priority": "instance_group { rate_limiter { priority: -1 } }",
}

FIELDS = {
    "unknown field": "max_batch_sizes: 8",
    "field twice": "max_batch_size: 4",
    "unclosed block": "dynamic_batching {",
    "text for a number": 'dynamic_batching { max_queue_delay_microseconds: "1" }',
    "number for a text": "default_model_filename: 1",
    "unknown datatype": 'input { name: "z" data_type: TYPE_FP128 dims: [ 1 ] }',
    "bad escape": r'default_model_filename: "\q"',
    "other name": 'name: "other"',
    "version policy of 0": "version_policy { latest { num_versions: 0 } }",
    "two version policies": "version_policy { latest { num_versions: 1 } all { } }",
    "versions that are not there": "version_policy { specific { versions: [ 7 ] } }",
    "metric without a family": "model_metrics { metric_control { metric_identifier { } "
    "histogram_options { buckets: [ 1 ] } } }",
    "metric without an identifier": "model_metrics { metric_control { histogram_options { buckets: [ 1 ] } } }",
    "metric without options": 'model_metrics { metric_control { metric_identifier { family: "f" } } }',
    "metric without buckets": 'model_metrics { metric_control { metric_identifier { family: "f" } '
    "histogram_options { } } }",
}

BATCH_TENSORS = {
    "batch input without a source": 'batch_input { target_name: "t" data_type: TYPE_INT32 }',
    "batch input with two sources": 'batch_input { target_name: "t" data_type: TYPE_INT32 source_input: "x" '
    'source_input: "x" }',
    "batch input of a wrong type": 'batch_input { target_name: "t" data_type: TYPE_INT64 source_input: "x" }',
    "batch input without a type": 'batch_input { target_name: "t" source_input: "x" }',
    "batch input of an unknown source": 'batch_input { target_name: "t" data_type: TYPE_FP32 source_input: "q" }',
    "batch input of an unknown kind": 'batch_input { kind: 17 target_name: "t" data_type: TYPE_FP32 '
    'source_input: "x" }',
    "batch output without a source": 'batch_output { target_name: "y" }',
    "batch output of an unknown source": 'batch_output { target_name: "y" source_input: "q" }',
    "batch output of an unknown target": 'batch_output { target_name: "q" source_input: "x" }',
    "batch output with a target twice": 'batch_output { target_name: "y" target_name: "y" source_input: "x" }',
}


def control(name: str, kind: str, more: str = "int32_false_true: [ 0, 1 ]") -> str:
    return f'control_input {{ name: "{name}" control {{ kind: CONTROL_SEQUENCE_{kind} {more} }} }} '


def sequences(*controls: str, more: str = "") -> str:
    return f"sequence_batching {{ {''.join(controls)}{more} }}"


SEQUENCES = {
    "control without a name": sequences(control("", "START")),
    "two tensors for START": sequences(control("a", "START"), control("b", "START")),
    "two tensors for END": sequences(control("a", "END"), control("b", "END")),
    "two tensors for READY": sequences(control("a", "READY"), control("b", "READY")),
    "two tensors for CORRID": sequences(*(control(n, "CORRID", "data_type: TYPE_UINT64") for n in "ab")),
    "one tensor for two controls": sequences(control("a", "START"), control("a", "END")),
    "control without values": sequences(control("a", "START", "")),
    "control with two kinds of values": sequences(
        control("a", "END", "int32_false_true: [ 0, 1 ] fp32_false_true: [ 0, 1 ]")
    ),
    "control with bool and fp32": sequences(
        control("a", "READY", "bool_false_true: [ false, true ] fp32_false_true: [ 0, 1 ]")
    ),
    "int32 control with one value": sequences(control("a", "START", "int32_false_true: [ 0 ]")),
    "fp32 control with three values": sequences(control("a", "START", "fp32_false_true: [ 0, 1, 2 ]")),
    "bool control with one value": sequences(control("a", "READY", "bool_false_true: [ true ]")),
    "CORRID without a type": sequences(control("a", "CORRID", "")),
    "CORRID of a wrong type": sequences(control("a", "CORRID", "data_type: TYPE_FP32")),
    "CORRID with values": sequences(control("a", "CORRID", "data_type: TYPE_UINT64 int32_false_true: [ 0, 1 ]")),
    "oldest preferred above the maximum": sequences(more="oldest { preferred_batch_size: [ 9 ] }"),
    "oldest preferred of 0": sequences(more="oldest { preferred_batch_size: [ 0 ] }"),
    "negative utilization": sequences(more="direct { minimum_slot_utilization: -0.1 }"),
    "utilization above 1": sequences(more="direct { minimum_slot_utilization: 1.1 }"),
    "two strategies": sequences(more="direct { } oldest { }"),
    "cache of sequences": sequences() + " response_cache { enable: true }",
}


def step(model: str = "a", takes: str = "x", gives: str = "y", version: str = "") -> str:
    into = "".join(f'input_map {{ key: "i{n}" value: "{name}" }} ' for n, name in enumerate(takes.split()))
    out = "".join(f'output_map {{ key: "o{n}" value: "{name}" }} ' for n, name in enumerate(gives.split()))
    return f'step {{ model_name: "{model}" {version} {into}{out}}} '


def ensemble(*steps: str, more: str = "", ports: str = X + Y) -> str:
    return f'platform: "ensemble"\n{BATCH}{ports}ensemble_scheduling {{ {"".join(steps)}}} {more}'


ENSEMBLES = {
    "no steps": ensemble(),
    "no scheduling": 'platform: "ensemble"\n' + BATCH + X + Y,
    "scheduling of a plain model": RIGHT + f"ensemble_scheduling {{ {step()}}}",
    "ensemble with a backend": ensemble(step(), more='backend: "{backend}"'),
    "ensemble with instances": ensemble(step(), more="instance_group { }"),
    "ensemble with optimization": ensemble(step(), more="optimization { }"),
    "ensemble with a warm-up": ensemble(step(), more='model_warmup { name: "w" }'),
    "step without a model": ensemble(step("")),
    "step without inputs": ensemble(step(takes="")),
    "step without outputs": ensemble(step(gives="")),
    "tensor made twice": ensemble(step(), step("b")),
    "input that nobody takes": ensemble(step(), ports=X + 'input { name: "z" data_type: TYPE_FP32 dims: [ 2 ] }' + Y),
    "output that nobody makes": ensemble(step(gives="z")),
    "output that is not connected": ensemble(step(takes="q")),
    "tensor that nobody takes": ensemble(step(gives="y z")),
    "tensor that nobody makes": ensemble(step(), step("b", "q", "r"), step("c", "r", "s")),
    "steps in a circle": ensemble(step("a", "x p", "q"), step("b", "q", "p y")),
    "output behind a circle": ensemble(step("a", "x p", "q"), step("b", "q", "p"), step("c", "p", "y")),
}

ALL: dict[str, str] = dict(
    chain(
        TENSORS.items(),
        RESHAPES.items(),
        ((name, RIGHT + text) for name, text in chain(DYNAMIC.items(), GROUPS.items(), FIELDS.items())),
        ((name, RIGHT + text) for name, text in chain(BATCH_TENSORS.items(), SEQUENCES.items())),
        ENSEMBLES.items(),
    )
)
"""Name → the text of the file, but for the name of the model."""

NO_TEXT = "failed to read text proto"
"""Triton's words for whatever protobuf cannot read; what that is stands in other lines of its log."""


def read_words() -> dict[str, str]:
    """Name → what Triton 2.51 says in its log, or in the index; "served" where it finds nothing wrong."""
    lines = Path(__file__).with_name("wrong_configurations.txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def write_repository(folder: Path, backend: str) -> dict[str, str]:
    """Write a model for each; returns the name of the model → that of the configuration."""
    names = {}
    for number, (name, text) in enumerate(ALL.items()):
        model = f"m{number:03}"
        (folder / model / "1").mkdir(parents=True)
        (folder / model / "config.pbtxt").write_text(text.replace("{backend}", backend))
        names[model] = name
    return names
