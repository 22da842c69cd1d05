"""The copy that sessions share: made once, used again, and never in the way."""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from encoder_graphs import write_graph
from onnx import helper

from naiad.backends.onnxruntime.prepared import sharing
from naiad.backends.onnxruntime.prepared.copying import DATA, GRAPH, write_copy
from naiad.backends.onnxruntime.prepared.extents import ALIGNMENT_BYTES, is_aligned, parse_packed, read_extents
from naiad.backends.onnxruntime.prepared.sharing import open_shared
from naiad.backends.onnxruntime.session import open_session
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.files import EncoderFiles
from naiad.core.machine.cache_folders import temporary_cache

WEIGHT = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weight"], ["y"]),
    ]
    return write_graph(tmp_path / "m.onnx", nodes, {"ids": ("t",)}, {"y": ("t", 64)}, table=WEIGHT, weight=WEIGHT)


def files(graph: Path, folder: Path) -> EncoderFiles:
    """Tried by the shapes of its inputs, as graphs are whose inputs are no texts."""
    return EncoderFiles(graph, EncoderSpec("any", "any", (), 1, layout="images"), folder)


def answer(session: Any) -> Any:
    return session.run(["y"], {"ids": np.array([3, 60])})[0]


def assert_right(sessions: list[Any]) -> None:
    for session in sessions:
        assert np.allclose(WEIGHT[[3, 60]] @ WEIGHT, answer(session), atol=1e-4)


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("prepared-*"))


def shift(folder: Path, count: int) -> None:
    """Move all external data `count` bytes on."""
    model = onnx.load(folder / GRAPH, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "offset":
                entry.value = str(int(entry.value) + count)
            elif entry.key.startswith("prepacked_"):
                key, blobs = parse_packed(entry.value)
                entry.value = "|".join((key, *(f"{at + count};{length};{sum_}" for at, length, sum_ in blobs)))
    (folder / GRAPH).write_bytes(model.SerializeToString())
    (folder / DATA).write_bytes(bytes(count) + (folder / DATA).read_bytes())


def test_made_once(graph: Path, tmp_path: Path) -> None:
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1, 2)))
    (copy,) = copies(tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == [copy]
    before = (copy / GRAPH).stat().st_mtime_ns
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert before == (copy / GRAPH).stat().st_mtime_ns


def test_many_at_a_time(graph: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        for sessions in pool.map(lambda _: open_shared(files(graph, tmp_path / "c"), threads=(1,)), range(6)):
            assert_right(sessions)
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_nowhere_to_write(
    graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy goes to a temporary folder, where the next one finds it; one line says so."""
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    temporary_cache.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_right(open_shared(files(graph, tmp_path / "file"), threads=(1, 2)))
    temporary_cache.cache_clear()
    assert len(list((tmp_path / "temporary").glob(f"naiad-*/prepared/*/prepared-*/{GRAPH}"))) == 1
    assert caplog.text.count("Set NAIAD_CACHE to a folder that lasts") == 1


def test_a_full_disk(
    graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no copy can be stored, the graph itself is tried and opened."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", fail)
    with caplog.at_level(logging.WARNING):
        assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1, 2)))
    assert "prepared graph cannot be stored" in caplog.text


@pytest.mark.parametrize("nonsense", [b"nonsense", b""])
def test_half_a_copy(graph: Path, tmp_path: Path, nonsense: bytes) -> None:
    """A copy that is no model is made again at once."""
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    whole = (copy / GRAPH).read_bytes()
    (copy / GRAPH).write_bytes(nonsense)
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert whole == (copy / GRAPH).read_bytes()


def test_other_weights_of_the_same_size_are_not_used(
    graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    whole = (copy / DATA).read_bytes()
    (copy / DATA).write_bytes(bytes(len(whole)))
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert whole == (copy / DATA).read_bytes()
    assert "the prepared graph has changed since it was made" in caplog.text


@pytest.mark.parametrize("is_private", [False, True])
def test_the_copy_can_be_read_by_those_who_can_read_the_graph(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_private: bool
) -> None:
    monkeypatch.setattr(sharing, "is_open_to_all", lambda _: not is_private)
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    assert {path.stat().st_mode & 0o004 for path in (copy, *copy.iterdir())} == {0 if is_private else 0o004}


@pytest.mark.parametrize("size", [0, 1000])
def test_half_of_the_weights(graph: Path, tmp_path: Path, size: int) -> None:
    """Mapping behind the end of a file ends the process when it is read."""
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    whole = (copy / DATA).read_bytes()
    (copy / DATA).write_bytes(whole[:size])
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert whole == (copy / DATA).read_bytes()


def test_a_copy_that_the_runtime_cannot_open(graph: Path, tmp_path: Path) -> None:
    """Whole by every look at it; the runtime is the judge, and the copy is made again."""
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    model = onnx.load(copy / GRAPH, load_external_data=False)
    model.graph.node[0].op_type = "NoSuchOperator"
    (copy / GRAPH).write_bytes(model.SerializeToString())
    for _ in range(2):
        assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert "NoSuchOperator" not in (copy / GRAPH).read_bytes().decode(errors="replace")


def test_a_copy_with_matrices_at_odd_places(graph: Path, tmp_path: Path) -> None:
    """An earlier version left tensors where the runtime put them; such a copy is not opened but made again."""
    open_shared(files(graph, tmp_path / "c"), threads=(1,))
    (copy,) = copies(tmp_path / "c")
    shift(copy, 8)
    assert not is_aligned(copy / GRAPH)
    assert_right(open_shared(files(graph, tmp_path / "c"), threads=(1,)))
    assert is_aligned(copy / GRAPH)


WIDTHS = (1, 7, 16, 301, 312, 515)
"""Of matrices whose biases lie in front of the next matrix; most are no multiple of 16 floats."""


@pytest.mark.parametrize("rows", WIDTHS)
def test_every_tensor_begins_where_a_vector_can_be_loaded(tmp_path: Path, rows: int) -> None:
    """Odd widths put what follows at odd places; packed and plain, all of it has to be moved."""
    random = np.random.default_rng(rows)
    weights = {
        f"{kind}{n}": random.standard_normal((rows, width) if kind == "w" else (width,)).astype(np.float32)
        for n, width in enumerate(WIDTHS)
        for kind in "wb"
    }
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x"])]
    nodes += [helper.make_node("Gemm", ["x", f"w{n}", f"b{n}"], [f"y{n}"]) for n in range(len(WIDTHS))]
    table = random.standard_normal((9, rows)).astype(np.float32)
    outputs = {f"y{n}": ("t", width) for n, width in enumerate(WIDTHS)}
    graph = write_graph(tmp_path / "m.onnx", nodes, {"ids": ("t",)}, outputs, table=table, **weights)
    sessions = open_shared(files(graph, tmp_path / "c"), threads=(1, 2))
    (copy,) = copies(tmp_path / "c")
    extents = read_extents(copy / GRAPH)
    assert any(extent.is_packed for extent in extents)
    assert [extent for extent in extents if extent.offset % ALIGNMENT_BYTES] == []
    ids = np.array([8, 0, 3])
    for session in sessions:
        for n, value in enumerate(session.run(list(outputs), {"ids": ids})):
            assert np.allclose(table[ids] @ weights[f"w{n}"] + weights[f"b{n}"], value, atol=1e-4 * rows)


def test_packed_matrices_that_a_file_brings_are_not_used(tmp_path: Path, graph: Path) -> None:
    """Laid out by somebody else for some processor, at odd places: opening and running such a file is safe."""
    odd = tmp_path / "odd"
    odd.mkdir()
    write_copy(graph, odd)
    assert any(extent.is_packed for extent in read_extents(odd / GRAPH))
    shift(odd, 4)
    assert_right([open_session(odd / GRAPH)])
    assert_right(open_shared(files(odd / GRAPH, tmp_path / "c"), threads=(1, 2)))
