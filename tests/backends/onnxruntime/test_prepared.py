"""The copy that sessions share: made once, used again, and never in the way."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_graphs import write_graph
from onnx import helper

from naiad.backends.onnxruntime.prepared import COMPLETE, GRAPH, open_shared

WEIGHT = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weight"], ["y"]),
    ]
    return write_graph(tmp_path / "m.onnx", nodes, {"ids": ("t",)}, {"y": ("t", 64)}, table=WEIGHT, weight=WEIGHT)


def answer(session: Any) -> Any:
    return session.run(["y"], {"ids": np.array([3, 60])})[0]


def assert_right(sessions: list[Any]) -> None:
    for session in sessions:
        assert np.allclose(WEIGHT[[3, 60]] @ WEIGHT, answer(session), atol=1e-4)


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("prepared-*"))


def test_made_once(graph: Path, tmp_path: Path) -> None:
    assert_right(open_shared(graph, tmp_path / "c", threads=(1, 2)))
    (copy,) = copies(tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == [copy]
    before = (copy / GRAPH).stat().st_mtime_ns
    assert_right(open_shared(graph, tmp_path / "c", threads=(1,)))
    assert before == (copy / GRAPH).stat().st_mtime_ns


def test_many_at_a_time(graph: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        for sessions in pool.map(lambda _: open_shared(graph, tmp_path / "c", threads=(1,)), range(6)):
            assert_right(sessions)
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_nowhere_to_write(graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert_right(open_shared(graph, tmp_path / "file", threads=(1, 2)))
    assert "prepared graph cannot be stored" in caplog.text


def test_half_a_copy(graph: Path, tmp_path: Path) -> None:
    """A copy that cannot be opened is dropped, and made again the next time."""
    open_shared(graph, tmp_path / "c", threads=(1,))
    (copy,) = copies(tmp_path / "c")
    (copy / GRAPH).write_bytes(b"nonsense")
    assert_right(open_shared(graph, tmp_path / "c", threads=(1,)))
    assert copies(tmp_path / "c") == []
    assert_right(open_shared(graph, tmp_path / "c", threads=(1,)))
    assert [path.parent for path in (tmp_path / "c").glob(f"*/{COMPLETE}")] == copies(tmp_path / "c")
