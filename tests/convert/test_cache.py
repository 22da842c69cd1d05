"""Converted graphs are found again, kept apart, made whole, and placed where we may write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_bert import random_weights, write_checkpoint, write_modules

from naiad.convert import cache
from naiad.convert.cache import DATA, GRAPH, SPEC
from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import LoadFailed
from naiad.core.machine import file_digests
from naiad.core.machine.cache_folders import temporary_cache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model", random_weights())


def stamp(graph: Path) -> tuple[int, int]:
    """Changes when the file is written anew."""
    return graph.stat().st_ino, graph.stat().st_mtime_ns


def test_beside_the_model(folder: Path) -> None:
    graph = convert_checkpoint(folder).graph
    assert graph.parent.parent == folder / ".naiad"
    assert {path.name for path in graph.parent.iterdir()} == {GRAPH, DATA, SPEC}
    assert list((folder / ".naiad").iterdir()) == [graph.parent]


def test_found_again(folder: Path) -> None:
    first = convert_checkpoint(folder)
    before = stamp(first.graph)
    again = convert_checkpoint(folder)
    assert first == again
    assert before == stamp(again.graph)


def test_heads_and_precisions_stand_side_by_side(folder: Path) -> None:
    graphs = {convert_checkpoint(folder).graph, convert_checkpoint(folder, quantize="int8").graph}
    assert len(graphs) == 2
    assert all(graph.exists() for graph in graphs)


def test_other_weights_are_another_graph(folder: Path) -> None:
    old = convert_checkpoint(folder).graph
    write_checkpoint(folder, random_weights(seed=1))
    os.utime(folder / "model.safetensors", ns=(1, 1))
    new = convert_checkpoint(folder).graph
    assert old != new
    assert not old.exists(), "the conversion of the former weights is of no use any more"


def test_other_modules_are_another_graph(folder: Path) -> None:
    old = convert_checkpoint(folder).graph
    write_modules(folder, ("Pooling", {"pooling_mode_cls_token": True}))
    assert old != convert_checkpoint(folder).graph


def test_a_readme_is_no_reason(folder: Path) -> None:
    old = convert_checkpoint(folder).graph
    (folder / "README.md").write_text("hello")
    assert old == convert_checkpoint(folder).graph


@pytest.mark.parametrize("name", [GRAPH, DATA, SPEC])
def test_half_a_file_is_made_again(name: str, folder: Path) -> None:
    first = convert_checkpoint(folder)
    whole = (first.graph.parent / name).read_bytes()
    (first.graph.parent / name).write_bytes(whole[: len(whole) // 2])
    assert first == convert_checkpoint(folder)
    assert whole == (first.graph.parent / name).read_bytes()


@pytest.mark.parametrize("document", [[], {}, {"spec": 3}, {"spec": {"outputs": [{}]}}, {"spec": {"outputs": 1}}])
def test_a_strange_description_is_made_again(document: object, folder: Path) -> None:
    first = convert_checkpoint(folder)
    (first.graph.parent / SPEC).write_text(json.dumps(document))
    assert first == convert_checkpoint(folder)


def test_an_installed_package_is_left_alone(tmp_path: Path, cache_of_its_own: Path) -> None:
    folder = write_checkpoint(tmp_path / "site-packages" / "some_model", random_weights())
    graph = convert_checkpoint(folder).graph
    assert not (folder / ".naiad").exists()
    assert graph.is_relative_to(cache_of_its_own / "converted")
    assert graph == convert_checkpoint(folder).graph


def test_the_hubs_cache_is_left_alone(tmp_path: Path, cache_of_its_own: Path) -> None:
    """There the weights are links to blobs named by content, so that another commit needs no other graph of them."""
    repository = tmp_path / "models--a--b"
    made = write_checkpoint(tmp_path / "made", random_weights())
    (repository / "blobs").mkdir(parents=True)
    (made / "model.safetensors").rename(repository / "blobs" / "0123")
    for commit in ("c1", "c2"):
        (repository / "snapshots" / commit).mkdir(parents=True)
        (repository / "snapshots" / commit / "config.json").write_bytes((made / "config.json").read_bytes())
        (repository / "snapshots" / commit / "model.safetensors").symlink_to(repository / "blobs" / "0123")
    graph = convert_checkpoint(repository / "snapshots" / "c1").graph
    assert graph.is_relative_to(cache_of_its_own)
    os.utime(repository / "blobs" / "0123")
    assert graph == convert_checkpoint(repository / "snapshots" / "c1").graph


def test_a_place_may_be_given(folder: Path, tmp_path: Path) -> None:
    assert convert_checkpoint(folder, cache_dir=tmp_path / "here").graph.is_relative_to(tmp_path / "here")
    assert not (folder / ".naiad").exists()


def test_a_place_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoadFailed, match=r"cannot be stored here.*NAIAD_CACHE"):
        convert_checkpoint(folder, cache_dir=tmp_path / "file")


def test_no_home_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither beside the model (a package's) nor in the cache: a temporary folder serves, and one line says so."""
    folder = write_checkpoint(tmp_path / "site-packages" / "some_model", random_weights())
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    temporary_cache.cache_clear()
    graph = convert_checkpoint(folder).graph
    assert graph.is_relative_to(tmp_path / "temporary")
    assert graph == convert_checkpoint(folder).graph
    temporary_cache.cache_clear()
    assert caplog.text.count("Set NAIAD_CACHE to a folder that lasts") == 1


def test_what_was_converted_before_is_used_where_nothing_can_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image may bring the conversion along and be read-only."""
    graph = convert_checkpoint(folder).graph
    monkeypatch.setattr(cache, "is_writable", lambda _: False)
    assert graph == convert_checkpoint(folder).graph


def test_many_at_a_time(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: convert_checkpoint(folder), range(8)))
    assert len(set(results)) == 1
    assert list((folder / ".naiad").iterdir()) == [results[0].graph.parent]


def test_a_cached_start_is_light(folder: Path) -> None:
    """Neither onnx nor safetensors nor the runtime is imported, and the weights may even be unreadable."""
    convert_checkpoint(folder)
    size, moment = (folder / "model.safetensors").stat().st_size, (folder / "model.safetensors").stat().st_mtime_ns
    (folder / "model.safetensors").write_bytes(b"\0" * size)
    os.utime(folder / "model.safetensors", ns=(moment, moment))
    script = (
        "import sys; from pathlib import Path; from naiad.convert.checkpoint import convert_checkpoint;"
        "convert_checkpoint(Path(sys.argv[1]));"
        "print(sorted({'onnx', 'safetensors', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [GRAPH, DATA])
def test_other_numbers_of_the_same_size_are_not_served(
    name: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with the time that the file had, and however often it has been found right before."""
    first = convert_checkpoint(folder)
    assert first == convert_checkpoint(folder)
    path = first.graph.parent / name
    whole, status = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-4] + b"\0\1\2\3")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert first == convert_checkpoint(folder)
    assert whole == path.read_bytes()
    assert "is not as it was made" in caplog.text


def test_weights_that_were_read_before_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "TICK_NS", -1)
    first = convert_checkpoint(folder)
    monkeypatch.setattr(file_digests, "KINDS", {})
    assert first == convert_checkpoint(folder)


@pytest.mark.parametrize("mask", [0, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_conversion_can_be_read_by_those_who_can_read_its_weights(
    mode: int, mask: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "model.safetensors").chmod(mode)
    monkeypatch.setattr(cache, "is_open_to_all", lambda paths: all(path.stat().st_mode & 0o004 for path in paths))
    old = os.umask(mask)
    try:
        graph = convert_checkpoint(folder).graph
    finally:
        os.umask(old)
    others = {path.stat().st_mode & 0o077 for path in (graph.parent, *graph.parent.iterdir())}
    assert others == ({0o055, 0o044} if mode == 0o644 else {0})


def test_an_older_conversion_of_private_weights_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = convert_checkpoint(folder).graph
    graph.parent.chmod(0o755)
    monkeypatch.setattr(cache, "is_open_to_all", lambda _: False)
    convert_checkpoint(folder)
    assert graph.parent.stat().st_mode & 0o077 == 0


def test_a_conversion_that_somebody_else_keeps_to_himself_is_made_elsewhere(
    folder: Path, cache_of_its_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert_checkpoint(folder).graph
    monkeypatch.setattr(cache.os, "access", lambda path, _: not Path(path).is_relative_to(folder))
    monkeypatch.setattr(cache, "is_writable", lambda place: not place.is_relative_to(folder))
    assert convert_checkpoint(folder).graph.is_relative_to(cache_of_its_own)
    assert first.exists()
