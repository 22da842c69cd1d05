"""What is valid but not served: refused by name, or listed as without effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig
from naiad.modelconfig import check_servable, fields_without_effect, finish, parse_pbtxt, prepare
from naiad.modelconfig.schema import config_class
from naiad.modelconfig.servable import NOT_YET, WITHOUT_EFFECT

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
X = {"name": "x", "data_type": "TYPE_FP32", "dims": [2]}


def config(**fields: Any) -> ModelConfig:
    given = {"backend": "identity", "max_batch_size": 8, "input": [X], "output": [{**X, "name": "y"}]}
    return finish(prepare({**given, **fields}, "m"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"model_operations": {"op_library_filename": ["a.so"]}},
            r"\('model_operations'\), which Naiad does not support yet",
        ),
    ],
)
def test_what_cannot_be_served_yet_says_so(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(LoadFailed, match=expected):
        check_servable(config(**fields))


@pytest.mark.parametrize("name", ["simple_sequence", "simple_dyna_sequence"])
def test_the_shared_sequence_models_are_served(name: str) -> None:
    given = parse_pbtxt((REPOSITORY / name / "config.pbtxt").read_text())
    check_servable(finish(prepare(given, name, ["model.onnx"])))


def test_ordinary_models_are_served_without_remarks() -> None:
    ordinary = config(dynamic_batching={}, instance_group=[{}], optimization={"graph": {"level": 1}})
    check_servable(ordinary)
    assert fields_without_effect(ordinary) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model_repository_agents": {"agents": [{"name": "checksum"}]}}, "model_repository_agents"),
        ({"cc_model_filenames": {"8.0": "m.plan"}}, "cc_model_filenames"),
        (
            {"optimization": {"execution_accelerators": {"cpu_execution_accelerator": [{"name": "openvino"}]}}},
            "optimization.execution_accelerators",
        ),
        ({"optimization": {"cuda": {"graphs": True}}}, "optimization.cuda"),
        (
            {"batch_input": [{"source_input": ["x"], "target_name": ["t"], "data_type": "TYPE_FP32"}]},
            "batch_input: the identity backend makes no inputs of its own",
        ),
        ({"batch_output": [{"source_input": ["x"], "target_name": ["y"]}]}, "batch_output"),
        ({"instance_group": [{"host_policy": "p"}]}, "instance_group.host_policy"),
    ],
)
def test_a_field_without_effect_is_listed(fields: dict[str, Any], expected: str) -> None:
    given = config(**fields)
    check_servable(given)
    (remark,) = fields_without_effect(given)
    assert remark.startswith(f"{expected}: " if ":" not in expected else expected)


def test_the_reference_page_names_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "model-config.md").read_text()
    fields = [field.name for field in config_class().DESCRIPTOR.fields]
    assert [name for name in fields if f"`{name}`" not in page] == []
    without = next(line for line in page.splitlines() if line.endswith("| kept, but without effect |"))
    assert [name for name in WITHOUT_EFFECT if f"`{name}`" not in without] == []
    refused = [
        line for line in page.splitlines() if "such a model cannot be" in line or "such a model is refused" in line
    ]
    assert [name for name in NOT_YET if not any(f"`{name}`" in line for line in refused)] == []
