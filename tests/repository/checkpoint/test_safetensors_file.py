"""Every type that numpy has as the library reads it; BF16 by ourselves, and without a package that teaches it numpy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from naiad.core.bf16 import bf16_to_float, float_to_bf16
from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint.safetensors_file import BF16, DTYPES, SafetensorsFile

KINDS = {kind: dtype for kind, dtype in DTYPES.items() if kind != BF16}


def write(path: Path, tensors: dict[str, tuple[str, list[int], bytes]], *, padding: int = 0) -> Path:
    """A file by the format's own words: the header's length, the header, the bytes."""
    places, data = {}, b""
    for name, (kind, shape, raw) in tensors.items():
        places[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header = json.dumps({"__metadata__": {"format": "pt"}, **places}).encode() + b" " * padding
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("shape", [[], [0, 4], [3], [2, 3, 5]])
def test_bf16_is_read_as_float32(shape: list[int], padding: int, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    halves = float_to_bf16(values)
    tensors = {
        "before": ("F32", [2], np.ones(2, np.float32).tobytes()),
        "w": ("BF16", shape, halves.tobytes()),
        "after": ("BF16", [1], float_to_bf16(np.full(1, 2, np.float32)).tobytes()),
    }
    with SafetensorsFile(write(tmp_path / "a.safetensors", tensors, padding=padding)) as file:
        assert set(file.names()) == set(tensors)
        assert (file.kind("w"), file.shape("w")) == ("BF16", tuple(shape))
        read = file.read("w")
        assert (read.dtype, read.shape) == (np.float32, tuple(shape))
        np.testing.assert_array_equal(read, bf16_to_float(halves))
        assert file.read("after").tolist() == [2.0]
        assert file.read("before").tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("kind", "numpy"), KINDS.items())
def test_other_types_are_read_as_they_are(kind: str, numpy: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(numpy)
    save_file({"w": array}, tmp_path / "a.safetensors")
    with SafetensorsFile(tmp_path / "a.safetensors") as file:
        assert file.kind("w") == kind
        read = file.read("w")
        assert (read.dtype, read.tolist()) == (array.dtype, array.tolist())


def test_a_type_that_numpy_does_not_have_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"w": ("F8_E4M3", [2], b"\0\0")})
    with SafetensorsFile(path) as file, pytest.raises(LoadFailed) as caught:
        file.read("w")
    assert caught.value.message == f"{path}: the weight w is F8_E4M3, which cannot be read"


def test_a_file_that_is_overwritten_while_it_is_read_does_not_end_the_process(tmp_path: Path) -> None:
    """As `cp` does it: the old file becomes empty, and then the new one."""
    path = tmp_path / "a.safetensors"
    save_file({name: np.ones((300, 400), np.float32) for name in ("v", "w")}, path)
    with SafetensorsFile(path) as file:
        assert file.read("v").all()
        os.truncate(path, 5000)
        with pytest.raises(LoadFailed, match=r"a\.safetensors: the file was changed while it was read"):
            file.read("w")


@pytest.mark.parametrize("content", [b"", b"short", (10).to_bytes(8, "little") + b"not json!!", b"\xff" * 64])
def test_a_broken_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoadFailed, match=r"a\.safetensors: not a readable safetensors file"):
        SafetensorsFile(path)
    with pytest.raises(LoadFailed, match="missing"):
        SafetensorsFile(tmp_path / "missing.safetensors")
