"""Weights beside the model: whoever writes over their files neither changes what a served model says nor ends it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naiad.backends.onnxruntime.data_files import opened_apart
from naiad.backends.onnxruntime.session import open_session
from naiad.core.errors import LoadFailed

ROWS, WIDTH = 3000, 64
INDICES = np.array([5, ROWS - 1])


def constant(name: str, value: float) -> onnx.TensorProto:
    array = np.full((ROWS, WIDTH), value, np.float32)
    return numpy_helper.from_array(array, name)


def branch(name: str, value: float) -> onnx.GraphProto:
    node = helper.make_node("Gather", [f"{name}_table", "i"], [name])
    given = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
    return helper.make_graph([node], name, [], [given], [constant(f"{name}_table", value)])


def write_model(folder: Path, *, location: str | None = None) -> Path:
    """Rows of a table (ones), and of one of two tables in an If (twos, threes); in one data file, or one for each."""
    nodes = [
        helper.make_node("Gather", ["table", "i"], ["rows"]),
        helper.make_node("If", ["which"], ["more"], then_branch=branch("a", 2), else_branch=branch("b", 3)),
    ]
    inputs = [("i", TensorProto.INT64, ["n"]), ("which", TensorProto.BOOL, [])]
    graph = helper.make_graph(
        nodes,
        "tables",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("rows", "more")],
        [constant("table", 1)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if location:
        (folder / location).parent.mkdir(exist_ok=True, parents=True)
    options: dict[str, Any] = {"all_tensors_to_one_file": location is not None, "location": location}
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, convert_attribute=True, **options)
    return folder / "model.onnx"


def ask(session: Any) -> list[float]:
    """The table's value, and those of the two branches."""
    answers = [session.run(None, {"i": INDICES, "which": np.array(which)}) for which in (True, False)]
    assert all((array == array[0, 0]).all() for answer in answers for array in answer)
    return [float(array[0, 0]) for array in (answers[0][0], answers[0][1], answers[1][1])]


def open_apart(model: Path) -> Any:
    with opened_apart(model) as apart:
        return open_session(apart)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing is left in it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAIAD_CACHE", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("location", ["model.onnx.data", "weights/of/model.bin", None])
def test_files_that_become_empty_while_a_model_is_served(location: str | None, tmp_path: Path) -> None:
    model = write_model(tmp_path, location=location)
    session = open_apart(model)
    assert ask(session) == [1, 2, 3]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != model:
            os.truncate(path, 0)
    assert ask(session) == [1, 2, 3]


def test_new_weights_are_those_of_the_next_session(tmp_path: Path) -> None:
    model = write_model(tmp_path, location="w.data")
    session = open_apart(model)
    data = np.fromfile(tmp_path / "w.data", np.float32)
    (data + 10).tofile(tmp_path / "w.data")
    assert ask(session) == [1, 2, 3]
    assert ask(open_apart(model)) == [11, 12, 13]


def test_a_model_without_data_files_is_opened_where_it_is(tmp_path: Path) -> None:
    onnx.save(onnx.load(write_model(tmp_path)), tmp_path / "whole.onnx")
    with opened_apart(tmp_path / "whole.onnx") as apart:
        assert apart == tmp_path / "whole.onnx"


def test_without_space_for_a_copy_the_files_are_mapped_with_a_warning(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    model = write_model(tmp_path, location="w.data")
    monkeypatch.setattr(shutil, "copyfile", full)
    assert ask(open_apart(model)) == [1, 2, 3]
    assert "do not overwrite their files" in caplog.text


def test_without_a_cache_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAIAD_CACHE", "/proc/1/nowhere")
    model = write_model(tmp_path, location="w.data")
    session = open_apart(model)
    os.truncate(tmp_path / "w.data", 0)
    assert ask(session) == [1, 2, 3]


def test_a_file_that_is_missing_or_too_short_is_named_where_it_was(tmp_path: Path) -> None:
    model = write_model(tmp_path, location="w.data")
    os.truncate(tmp_path / "w.data", 5000)
    with pytest.raises(LoadFailed, match=rf"{model}: ONNX Runtime cannot load this file") as caught:
        open_apart(model)
    assert ".opening-" not in caught.value.message
    (tmp_path / "w.data").unlink()
    with pytest.raises(LoadFailed, match=r"w\.data"):
        open_apart(model)


@pytest.mark.parametrize("place", ["../w.data", "{folder}/w.data"])
def test_files_outside_the_folder_are_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write_model(tmp_path, location="w.data")
    model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = place.format(folder=tmp_path)
    onnx.save(model, tmp_path / "m" / "model.onnx")
    with pytest.raises(LoadFailed, match=r"w\.data"):
        open_apart(tmp_path / "m" / "model.onnx")
