"""The message and the document say the same, and protobuf costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

from naiad.core.datatypes import TABLE
from naiad.modelconfig.schema import config_class, to_document


def test_the_datatype_table_has_the_enum_s_numbers() -> None:
    enum = config_class().DESCRIPTOR.file.enum_types_by_name["DataType"]
    numbers = {value.name: value.number for value in enum.values if value.name != "TYPE_INVALID"}
    assert {row.config_name: row.config_number for row in TABLE} == numbers


def test_importing_does_not_import_protobuf() -> None:
    code = "import sys, naiad.modelconfig; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
