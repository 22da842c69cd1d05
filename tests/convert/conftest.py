"""Shares `small_bert.py` with the tests of this folder, keeps the user's cache out of it, and checks each graph."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest

from naiad.convert.encoder.graph import GraphBuilder

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAIAD_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def every_graph_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The onnx package looks at each graph that the builder writes."""
    save = GraphBuilder.save

    def save_and_check(graph: GraphBuilder, path: Path) -> None:
        save(graph, path)
        onnx.checker.check_model(str(path))

    monkeypatch.setattr(GraphBuilder, "save", save_and_check)
