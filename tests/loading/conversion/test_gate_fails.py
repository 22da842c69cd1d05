"""The gate fails for real: a conversion that went wrong leaves nothing but its reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from naiad.convert.cache import Converted
from naiad.convert.gate.limits import Setting
from naiad.core.errors import GateFailed
from naiad.loading.conversion import builders, built
from naiad.loading.conversion.convert import convert_to_folder
from naiad.loading.conversion.course import Request
from naiad.loading.conversion.subject import recognise_subject
from naiad.testing.checkpoints import tiny_checkpoint


@pytest.fixture(autouse=True)
def _without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built, "has_torch", lambda: False)


def corrupt(graph: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the largest weight of a graph on the disk."""
    model = onnx.load(str(graph), load_external_data=False)
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in model.graph.initializer]
    kinds = [tensor.data_type for tensor in model.graph.initializer]
    at = max(
        (number for number, place in enumerate(places) if place),
        key=lambda number: (kinds[number] == onnx.TensorProto.INT8, int(places[number].get("length", 0))),
    )
    kind = np.int8 if kinds[at] == onnx.TensorProto.INT8 else np.float32
    offset, length = int(places[at]["offset"]), int(places[at]["length"])
    path = graph.with_name(graph.name + ".data")
    content = bytearray(path.read_bytes())
    weights = np.frombuffer(bytes(content[offset : offset + length]), kind)
    content[offset : offset + length] = change(weights).astype(kind).tobytes()
    path.write_bytes(bytes(content))


def spoil(monkeypatch: pytest.MonkeyPatch, quantize: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Let the builder make a wrong graph of one precision."""
    real = builders.convert_checkpoint

    def wrong(folder: Path, **arguments: Any) -> Converted:
        converted = real(folder, **arguments)
        if arguments["quantize"] == quantize:
            corrupt(converted.graph, change)
        return converted

    monkeypatch.setattr(builders, "convert_checkpoint", wrong)


def request_for(folder: Path, **options: Any) -> Request:
    return Request(recognise_subject(folder), **options)


def test_a_wrong_quantised_graph_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    spoil(monkeypatch, "int8", lambda weights: weights[::-1])
    with pytest.raises(GateFailed, match=r"int8: .* the float32 graph: .*cosine.*Nothing") as caught:
        convert_to_folder(request_for(source, precision="int8"), out, "")
    assert isinstance(caught.value.detail["report"], dict)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_weights_that_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    spoil(monkeypatch, "none", lambda weights: np.full_like(weights, np.nan))
    with pytest.raises(GateFailed, match="not finite"):
        convert_to_folder(request_for(source), out, "")
    assert not out.exists()


def test_the_same_passes_with_the_gate_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    spoil(monkeypatch, "none", lambda weights: np.full_like(weights, np.nan))
    convert_to_folder(request_for(source, setting=Setting.OFF), out, "")
    assert out.is_dir()


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(built, "copy_checkpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_to_folder(request_for(source), out, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
