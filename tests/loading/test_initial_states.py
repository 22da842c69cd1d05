"""What the states of sequences begin with, and what is said of files that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig
from naiad.core.model.sequences import SequenceBatching, SequenceState
from naiad.loading.initial_states import initial_states


def config(**fields: Any) -> ModelConfig:
    state = SequenceState(**{"input_name": "i", "output_name": "o", "datatype": "FP32", "dims": (2,), **fields})
    return ModelConfig("m", sequence_batching=SequenceBatching(states=(state,)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "initial_state").mkdir()
    (tmp_path / "initial_state" / "numbers").write_bytes(np.array([1, 2, 3], np.float32).tobytes())
    (tmp_path / "initial_state" / "texts").write_bytes(b"\1\0\0\0a\0\0\0\0")
    return tmp_path


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"initial_file": "numbers"}, [1.0, 2.0]),
        ({"initial_file": "numbers", "dims": (-1,), "initial_dims": (3,)}, [1.0, 2.0, 3.0]),
        ({"initial_file": "numbers", "dims": (-1,)}, [1.0]),
        ({"initial_file": "texts", "datatype": "BYTES"}, [b"a", b""]),
    ],
)
def test_a_file_has_the_bytes(fields: Any, expected: Any, folder: Path) -> None:
    assert initial_states(config(**fields), folder)["i"].tolist() == expected


def test_zeros_need_no_file(tmp_path: Path) -> None:
    assert initial_states(config(), tmp_path) == {}
    assert initial_states(ModelConfig("m"), tmp_path) == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"initial_file": "numbers", "dims": (4,)},
            "initial_state setting expects 16 bytes, but the data provided from numbers only has 12 bytes",
        ),
        ({"initial_file": "gone"}, "initial_state data 'gone' cannot be read: "),
        ({"initial_file": "texts", "datatype": "BYTES", "dims": (3,)}, "expected 3 string"),
        ({"dims": (2**28, 2)}, "state 'i' begins with 2147483648 bytes; 1073741824 are allowed"),
    ],
)
def test_what_cannot_be_is_said_by_name(fields: Any, words: str, folder: Path) -> None:
    with pytest.raises(LoadFailed, match=r"^model 'm': ") as refused:
        initial_states(config(**fields), folder)
    assert words in refused.value.message
