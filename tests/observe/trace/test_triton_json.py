from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.tensor import Tensor, bytes_tensor
from naiad.core.trace import Trace
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.settings import TraceValues
from naiad.observe.trace.triton_json import TritonFiles, render

BOTH = ("TIMESTAMPS", "TENSORS")


def trace(number: int = 1, **more: Any) -> Trace:
    return Trace(number, "m", "1", moments=[("REQUEST_START", 1.0)], **more)


def read(path: Path) -> list[int]:
    """The ids in a file, each once."""
    return list(dict.fromkeys(entry["id"] for entry in json.loads(path.read_bytes())))


def entries(one: Trace, level: tuple[str, ...] = BOTH) -> Any:
    return json.loads(b"[" + render(one, level) + b"]")


def test_entries_of_a_trace_in_the_order_of_time() -> None:
    one = Trace(7, "m", "2", 'a"b\n', None, 3, [("REQUEST_END", 2.5), ("REQUEST_START", 1.25)])
    one.mark("QUEUE_START", 0.0)
    assert entries(one) == [
        {"id": 7, "model_name": "m", "model_version": 2, "request_id": 'a"b\n', "parent_id": 3},
        {"id": 7, "timestamps": [{"name": "REQUEST_START", "ns": 1_250_000_000}]},
        {"id": 7, "timestamps": [{"name": "REQUEST_END", "ns": 2_500_000_000}]},
    ]


def test_what_is_not_there_is_left_out() -> None:
    assert entries(Trace(1, "m"), ("TENSORS",)) == [{"id": 1, "model_name": "m", "model_version": -1}]


@pytest.mark.parametrize(
    ("tensor", "data"),
    [
        (Tensor("t", "FP32", np.array([[0.1, 1e10, -2]], np.float32)), "0.1,1e+10,-2"),
        (Tensor("t", "FP16", np.array([[0.5]], np.float16)), "0.5"),
        (Tensor("t", "BF16", np.array([[0x3FC0, 0xC000]], np.uint16)), "1.5,-2"),
        (Tensor("t", "BOOL", np.array([[True, False]])), "1,0"),
        (Tensor("t", "UINT8", np.array([[65, 0]], np.uint8)), "65,0"),
        (Tensor("t", "INT64", np.array([[-(2**63)]])), "-9223372036854775808"),
        (bytes_tensor("t", ['é",\n'.encode(), b"\xff"], (1, 2)), '"é",\n","\\xff"'),
        (Tensor("t", "FP32", np.empty((0, 4), np.float32)), ""),
    ],
)
def test_tensors(tensor: Tensor, data: str) -> None:
    one = Trace(1, "m", "1", tensors=[("TENSOR_QUEUE_INPUT", tensor)])
    described = {"name": "t", "data": data, "shape": ",".join(map(str, tensor.shape)), "dtype": tensor.datatype}
    assert {"id": 1, "activity": "TENSOR_QUEUE_INPUT", "tensor": described} == entries(one)[1]


def test_one_file_is_whole_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("from an earlier run, and longer than what follows" * 99)
    files, sampler = TritonFiles(path), Sampler(TraceValues(BOTH))
    for number in (1, 3, 5):
        files.write([(sampler, trace(number)), (sampler, trace(number + 1))])
        assert list(range(1, number + 2)) == read(path)
    files.close()
    assert [one.name for one in tmp_path.iterdir()] == ["trace.json"]


def test_numbered_files(tmp_path: Path) -> None:
    files, sampler = TritonFiles(tmp_path / "t"), Sampler(TraceValues(BOTH, log_frequency=2))
    other = Sampler(TraceValues(BOTH, log_frequency=3))
    files.write([(sampler, trace(1)), (other, trace(2)), (sampler, trace(3)), (sampler, trace(4))])
    assert {path.name: read(path) for path in tmp_path.iterdir()} == {"t.0": [1, 3]}
    files.release(other)
    files.release(other)
    files.close()
    found = {path.name: read(path) for path in tmp_path.iterdir()}
    assert found == {"t.0": [1, 3], "t.1": [2], "t.2": [4]}


def test_what_waits_for_a_numbered_file_has_a_bound(tmp_path: Path) -> None:
    one = len(render(trace(1), BOTH))
    files, sampler = TritonFiles(tmp_path / "t", 2 * one), Sampler(TraceValues(BOTH, log_frequency=2**32 - 1))
    for number in range(1, 6):
        files.write([(sampler, trace(number))])
    assert {path.name: read(path) for path in tmp_path.iterdir()} == {"t.0": [1, 2, 3]}
    files.close()
    assert read(tmp_path / "t.1") == [4, 5]


def test_a_full_disk_leaves_what_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    files, sampler = TritonFiles(path), Sampler(TraceValues(BOTH))
    files.write([(sampler, trace(1))])
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.write([(sampler, trace(2))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    files.write([(sampler, trace(3))])
    assert read(path) == [1, 3]
