"""The message is Triton's, lives beside tritonclient's, and costs nothing until it is used."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from naiad.core.datatypes import TABLE
from naiad.modelconfig.schema import config_class, to_document

ROOT = Path(__file__).parents[2]


def tritonclient_module() -> Any:
    """tritonclient's generated module, which needs no grpc when it is loaded by its path."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or not found.submodule_search_locations:
        pytest.skip("tritonclient is not installed: nothing to compare the descriptor with")
    path = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("tritonclient_model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(message_class: Any) -> FileDescriptorProto:
    file = FileDescriptorProto()
    message_class.DESCRIPTOR.file.CopyToProto(file)
    return file


def test_every_field_and_number_is_the_real_one() -> None:
    theirs = tritonclient_module()
    assert described(config_class()) == described(theirs.ModelConfig)


def test_both_descriptors_live_in_one_process_and_understand_each_other() -> None:
    ours, theirs = config_class(), tritonclient_module().ModelConfig
    message = ours(name="m", max_batch_size=3)
    message.parameters["a"].string_value = "b"
    assert theirs.FromString(message.SerializeToString()).parameters["a"].string_value == "b"
    assert ours.DESCRIPTOR.file.pool is not theirs.DESCRIPTOR.file.pool


def test_tritonclient_imports_after_ours() -> None:
    pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    assert config_class()(name="still ours").name == "still ours"


def test_the_datatype_table_has_the_enum_s_numbers() -> None:
    enum = config_class().DESCRIPTOR.file.enum_types_by_name["DataType"]
    numbers = {value.name: value.number for value in enum.values if value.name != "TYPE_INVALID"}
    assert {row.config_name: row.config_number for row in TABLE} == numbers


def test_importing_does_not_import_protobuf() -> None:
    code = "import sys, naiad.modelconfig; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_generated_descriptor_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_descriptors.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_check_notices_a_stale_descriptor(tmp_path: Path) -> None:
    source = ROOT / "tools" / "generate_descriptors.py"
    copy = tmp_path / "tools" / "generate_descriptors.py"
    folder = tmp_path / "src" / "naiad" / "modelconfig"
    copy.parent.mkdir()
    folder.mkdir(parents=True)
    copy.write_text(source.read_text())
    proto = (ROOT / "src" / "naiad" / "modelconfig" / "model_config.proto").read_text()
    (folder / "model_config.proto").write_text(proto)
    command = [sys.executable, str(copy)]
    assert subprocess.run([*command, "--check"], check=False, capture_output=True).returncode == 1
    assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    (folder / "model_config.proto").write_text(proto.replace("name = 1;", "nom = 1;", 1))
    assert subprocess.run([*command, "--check"], check=False, capture_output=True).returncode == 1


def test_plain_fields_are_always_there_and_unset_messages_are_not() -> None:
    document = to_document(config_class()())
    assert document["max_batch_size"] == 0
    assert document["input"] == []
    assert document["parameters"] == {}
    assert "optimization" not in document
    assert "dynamic_batching" not in document


def test_numbers_that_triton_leaves_as_strings() -> None:
    message = config_class()()
    state = message.sequence_batching.state.add(dims=[1, -1])
    state.initial_state.add(dims=[2, 3], zero_data=True)
    message.optimization.cuda.graph_spec.add().input["x"].dim.extend([4])
    document = to_document(message)
    found = document["sequence_batching"]["state"][0]
    assert found["dims"] == [1, -1]
    assert found["initial_state"][0]["dims"] == ["2", "3"]
    assert document["optimization"]["cuda"]["graph_spec"][0]["input"]["x"]["dim"] == ["4"]


def test_floats_are_as_short_as_they_were_written() -> None:
    message = config_class()()
    message.sequence_batching.direct.minimum_slot_utilization = 0.1
    control = message.model_metrics.metric_control.add()
    control.histogram_options.buckets.extend([0.1, float("inf")])
    document = to_document(message)
    assert document["sequence_batching"]["direct"]["minimum_slot_utilization"] == 0.1
    assert document["model_metrics"]["metric_control"][0]["histogram_options"]["buckets"] == [0.1, "Infinity"]
