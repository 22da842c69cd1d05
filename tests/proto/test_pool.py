"""Names and numbers are Triton's, and ours live beside tritonclient's in one process."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from naiad.proto.pool import _POOL, message_class

ROOT = Path(__file__).parents[2]
SOURCES = ("model_config.proto", "grpc_service.proto", "onnx.proto")


def theirs(module: str) -> FileDescriptorProto:
    """The file descriptor that tritonclient carries."""
    if importlib.util.find_spec("tritonclient") is None:
        pytest.skip("tritonclient is not installed: nothing to compare with")
    return copy_of(importlib.import_module(f"tritonclient.grpc.{module}").DESCRIPTOR)


def copy_of(descriptor: Any) -> FileDescriptorProto:
    file = FileDescriptorProto()
    descriptor.CopyToProto(file)
    for service in file.service:
        for method in service.method:
            method.ClearField("options")  # theirs are there and empty
    return file


@pytest.mark.parametrize(
    ("message", "module"), [("ModelConfig", "model_config_pb2"), ("ModelInferRequest", "service_pb2")]
)
def test_every_name_and_number_is_the_real_one(message: str, module: str) -> None:
    assert copy_of(message_class(message).DESCRIPTOR.file) == theirs(module)


def test_ours_and_theirs_live_in_one_process_and_understand_each_other() -> None:
    service = pytest.importorskip("tritonclient.grpc.service_pb2", reason="tritonclient[grpc] is not installed")
    ours = message_class("ModelConfigResponse")()
    ours.config.name = "m"
    ours.config.parameters["a"].string_value = "b"
    assert service.ModelConfigResponse.FromString(ours.SerializeToString()).config.parameters["a"].string_value == "b"
    assert ours.DESCRIPTOR.file.pool is not service.DESCRIPTOR.pool


def test_importing_does_not_import_protobuf() -> None:
    code = "import sys, naiad.proto.pool; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_generated_descriptors_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_descriptors.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_check_notices_a_stale_descriptor(tmp_path: Path) -> None:
    copy = tmp_path / "tools" / "generate_descriptors.py"
    folder = tmp_path / "src" / "naiad" / "proto"
    copy.parent.mkdir()
    folder.mkdir(parents=True)
    copy.write_text((ROOT / "tools" / "generate_descriptors.py").read_text())
    for name in SOURCES:
        (folder / name).write_text((ROOT / "src" / "naiad" / "proto" / name).read_text())
    command = [sys.executable, str(copy)]
    assert subprocess.run([*command, "--check"], check=False, capture_output=True).returncode == 1
    assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    stale = folder / "grpc_service.proto"
    stale.write_text(stale.read_text().replace("name = 1;", "nom = 1;", 1))
    assert subprocess.run([*command, "--check"], check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("line", "word"),
    [("banana", "banana"), ("service S { option }", "option"), ("message M { Nope a = 1; }", "Nope")],
)
def test_what_the_generator_cannot_read_is_said(tmp_path: Path, line: str, word: str) -> None:
    spec = importlib.util.spec_from_file_location("generate_descriptors", ROOT / "tools" / "generate_descriptors.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool  # dataclasses look their own module up
    try:
        spec.loader.exec_module(tool)
        with pytest.raises(SystemExit, match=word):
            tool.parse_file("x.proto", f'syntax = "proto3"; package p; {line}', {})
    finally:
        del sys.modules[spec.name]


def test_the_classes_of_inner_messages_are_made_once_and_kept() -> None:
    # protobuf would drop them with their last message; threads that make them anew at the same time crash the process.
    config = message_class("ModelConfig")()
    group, steps = config.instance_group.add(), config.ensemble_scheduling
    first = {type(group), type(steps), type(steps.step.add()), type(config.dynamic_batching)}
    kept = {id(one) for one in first}
    del config, group, steps, first
    gc.collect()
    again = message_class("ModelConfig")()
    assert kept == {
        id(type(one))
        for one in (
            again.instance_group.add(), again.ensemble_scheduling, again.ensemble_scheduling.step.add(),
            again.dynamic_batching,
        )
    }  # fmt: skip
    assert kept <= {id(one) for one in _POOL.classes.values()}
