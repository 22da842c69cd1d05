"""What `GET /v2/models/M/config` prints, and the typed view of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import InstanceGroup, QueuePolicy, TensorConfig
from naiad.modelconfig import GpuKind, finish, normalize, parse_pbtxt, prepare

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"


def document(**fields: Any) -> dict[str, Any]:
    tensor = {"name": "x", "data_type": "TYPE_FP32", "dims": [2]}
    given = {"backend": "identity", "max_batch_size": 8, "input": [tensor], "output": [{**tensor, "name": "y"}]}
    return prepare({**given, **fields}, "m")


def test_simple_as_the_endpoint_prints_it() -> None:
    given = prepare(parse_pbtxt((REPOSITORY / "simple" / "config.pbtxt").read_text()), "simple", ["model.onnx"])

    def tensor(name: str, **more: Any) -> dict[str, Any]:
        flags = {"is_shape_tensor": False, "is_non_linear_format_io": False}
        return {"name": name, "data_type": "TYPE_INT32", "dims": [16], **flags, **more}

    asks = {"format": "FORMAT_NONE", "allow_ragged_batch": False, "optional": False}
    assert normalize(given) == {
        "name": "simple",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 8,
        "input": [tensor("INPUT0", **asks), tensor("INPUT1", **asks)],
        "output": [tensor("OUTPUT0", label_filename=""), tensor("OUTPUT1", label_filename="")],
        "batch_input": [],
        "batch_output": [],
        "optimization": {
            "priority": "PRIORITY_DEFAULT",
            "input_pinned_memory": {"enable": True},
            "output_pinned_memory": {"enable": True},
            "gather_kernel_buffer_threshold": 0,
            "eager_batching": False,
        },
        "instance_group": [
            {
                "name": "simple",
                "kind": "KIND_CPU",
                "count": 2,
                "gpus": [],
                "secondary_devices": [],
                "profile": [],
                "passive": False,
                "host_policy": "",
            }
        ],
        "default_model_filename": "model.onnx",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {},
        "model_warmup": [],
    }


@pytest.mark.parametrize("path", sorted(REPOSITORY.iterdir()), ids=lambda path: path.name)
def test_every_shared_model_is_valid(path: Path) -> None:
    text = (path / "config.pbtxt").read_text()
    config = finish(prepare(parse_pbtxt(text), path.name, ["model.onnx"]), model_dir=path)
    assert (config.name, config.backend, config.max_batch_size) == (path.name, "onnxruntime", 8)
    assert normalize(config.document) == config.document


def test_preferred_batch_size_defaults_to_the_maximum() -> None:
    assert normalize(document(dynamic_batching={}))["dynamic_batching"]["preferred_batch_size"] == [8]
    given = normalize(document(dynamic_batching={"preferred_batch_size": [2, 4]}))
    assert given["dynamic_batching"]["preferred_batch_size"] == [2, 4]
    none = normalize(document(dynamic_batching={}, max_batch_size=0))
    assert none["dynamic_batching"]["preferred_batch_size"] == []


def test_sequence_batching_has_an_idle_limit() -> None:
    sequence = normalize(document(sequence_batching={"oldest": {}}))["sequence_batching"]
    assert sequence["max_sequence_idle_microseconds"] == 1_000_000
    assert sequence["oldest"]["preferred_batch_size"] == [8]


@pytest.mark.parametrize(
    ("backend", "groups", "expected"),
    [
        ("identity", [], [("m", "KIND_CPU", 1)]),
        ("onnxruntime", [], [("m", "KIND_CPU", 2)]),
        ("onnxruntime", [{}], [("m_0", "KIND_CPU", 2)]),
        ("onnxruntime", [{"kind": "KIND_CPU"}], [("m_0", "KIND_CPU", 2)]),
        ("onnxruntime", [{"kind": "KIND_MODEL"}], [("m_0", "KIND_MODEL", 1)]),
        ("onnxruntime", [{"count": 1}], [("m_0", "KIND_CPU", 1)]),
        ("identity", [{"name": "a", "count": 3}, {}], [("a", "KIND_CPU", 3), ("m_1", "KIND_CPU", 1)]),
    ],
)
def test_instance_groups(backend: str, groups: list[dict[str, Any]], expected: list[tuple[str, str, int]]) -> None:
    config = finish(document(backend=backend, instance_group=groups))
    assert [(group.name, group.kind, group.count) for group in config.instance_groups] == expected


def test_a_gpu_group_is_refused_or_on_wish_runs_on_the_cpu() -> None:
    given = document(instance_group=[{"kind": "KIND_GPU", "gpus": [0], "count": 3}])
    with pytest.raises(InvalidConfiguration) as caught:
        finish(given)
    assert caught.value.message == ("instance group m_0 of model m has kind KIND_GPU but server does not support GPUs")
    config = finish(given, gpu_kind=GpuKind.CPU)
    assert config.instance_groups == (InstanceGroup("m_0", "KIND_CPU", 3),)
    assert config.document["instance_group"][0]["gpus"] == []


def test_groups_run_on_the_gpu_that_they_name_and_the_others_on_the_cpu() -> None:
    groups = [{"kind": "KIND_GPU", "gpus": [3], "count": 2}, {"kind": "KIND_GPU"}, {"kind": "KIND_AUTO"}]
    config = finish(document(instance_group=groups), gpu_kind=GpuKind.GPU)
    assert [(group.kind, group.gpu, group.count) for group in config.instance_groups] == [
        ("KIND_GPU", 3, 2), ("KIND_GPU", 0, 1), ("KIND_CPU", None, 1),
    ]  # fmt: skip
    given = document(instance_group=[{"kind": "KIND_GPU", "gpus": [0, 1]}])
    with pytest.raises(InvalidConfiguration, match=r"instance group m_0 .* names 2 GPUs.*; make a group for each"):
        finish(given, gpu_kind=GpuKind.GPU)


def test_ensembles_get_no_instances() -> None:
    step = {"model_name": "a", "input_map": {"i": "x"}, "output_map": {"o": "y"}}
    given = document(backend="", ensemble_scheduling={"step": [step]})
    config = finish(given)
    assert config.instance_groups == ()
    assert "optimization" not in config.document


def test_normalize_leaves_its_argument_alone() -> None:
    given = document(instance_group=[{}])
    before = repr(given)
    normalize(given)
    assert repr(given) == before


def test_the_typed_view() -> None:
    config = finish(
        document(
            input=[
                {"name": "a", "data_type": "TYPE_STRING", "dims": [-1], "optional": True},
                {"name": "b", "data_type": "TYPE_BF16", "dims": [4], "reshape": {"shape": [2, 2]}},
                {"name": "c", "data_type": "TYPE_FP16", "dims": [1], "reshape": {"shape": []}},
                {"name": "d", "data_type": "TYPE_FP32", "dims": [-1], "allow_ragged_batch": True},
            ],
            dynamic_batching={
                "preferred_batch_size": [4],
                "max_queue_delay_microseconds": 1500,
                "priority_levels": 3,
                "default_priority_level": 2,
                "default_queue_policy": {"timeout_action": "DELAY", "max_queue_size": 7},
                "priority_queue_policy": {
                    "1": {"default_timeout_microseconds": 2_000_000, "allow_timeout_override": True}
                },
            },
            parameters={"k": {"string_value": "v"}},
            model_transaction_policy={"decoupled": True},
        )
    )
    assert config.inputs == (
        TensorConfig("a", "BYTES", (-1,), optional=True),
        TensorConfig("b", "BF16", (4,), reshape=(2, 2)),
        TensorConfig("c", "FP16", (1,), reshape=()),
        TensorConfig("d", "FP32", (-1,), is_ragged=True),
    )
    batching = config.dynamic_batching
    assert batching is not None
    assert batching.preferred_batch_sizes == (4,)
    assert batching.max_queue_delay_s == pytest.approx(0.0015)
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    assert batching.default_queue_policy == QueuePolicy(delays_on_timeout=True, max_queue_size=7)
    assert batching.priority_queue_policies == {1: QueuePolicy(False, 2.0, True, 0)}
    assert config.parameters == {"k": "v"}
    assert config.is_decoupled
    assert not config.uses_response_cache
