"""Revisions, subfolders, kinds of repository, kinds of Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NotFound
from naiad.testing import LocalHub

Files = dict[str, bytes]
WANTED = [
    "1_Pooling/config.json", "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json",
]  # fmt: skip


def test_branches_tags_and_commits(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    first = hub.add("org/name", checkpoint)
    hub.tag("org/name", "v1", first)
    second = hub.add("org/name", {**checkpoint, "config.json": b"{}"}, branch="refs/pr/2")
    assert pull("org/name@v1").commit == first
    assert pull(f"org/name@{first}").commit == first
    assert pull("org/name@refs/pr/2").commit == second
    with refusal(NotFound, "there is no org/name@v9"):
        pull("org/name@v9")


def test_a_subfolder(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    files = {f"small/{path}": content for path, content in checkpoint.items()}
    commit = hub.add("org/name", {**files, "README.md": b"top"})
    fetched = pull("hf://org/name/small")
    assert fetched.folder.parts[-2:] == (commit, "small")
    assert [file.path for file in fetched.files] == WANTED
    assert pull("hf://org/name/small").files == fetched.files
    with refusal(InvalidConfiguration, "there is no folder smal", "there are small"):
        pull("hf://org/name/smal")
    with refusal(InvalidConfiguration, "did you mean its folder small?"):
        pull("hf://org/name")


def test_all_shards(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}'
    shards = {"model-1.safetensors": b"one", "model-2.safetensors": b"two", "model-3.safetensors": b"not named"}
    del checkpoint["model.safetensors"]
    hub.add("org/name", {**checkpoint, **shards, "model.safetensors.index.json": index})
    paths = [file.path for file in pull("org/name").files]
    assert [path for path in paths if "safetensors" in path] == [
        "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json",
    ]  # fmt: skip


def test_an_unknown_architecture_takes_the_onnx_file(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", {**checkpoint, "config.json": b'{"model_type": "strange"}'})
    paths = [file.path for file in pull("org/name").files]
    assert ("onnx/model.onnx" in paths, "model.safetensors" in paths) == (True, False)


def test_allow_and_ignore(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    entry = {"allow": ("*.json", "onnx/model_quantized.onnx", "README.md"), "ignore": ("*.md",)}
    expected = ["1_Pooling/config.json", "config.json", "modules.json", "onnx/model_quantized.onnx", "tokenizer.json"]
    assert [file.path for file in pull("org/name", entry).files] == expected
    by_name = pull("org/name", {"ignore": ("*.md",), "weights": "onnx/model_quantized.onnx"})
    assert [file.path for file in by_name.files] == expected


TRITON = {
    "add/config.pbtxt": b"backend: 'onnxruntime'",
    "add/1/model.onnx": b"onnx",
    "py/config.pbtxt": b"backend: 'python'",
    "py/1/model.py": b"import os",
    "README.md": b"models",
}


def test_triton_models_in_a_hub_repository(hub: LocalHub, pull: Any) -> None:
    hub.add("org/models", TRITON)
    fetched = pull("org/models")
    assert [file.path for file in fetched.files] == ["add/1/model.onnx", "add/config.pbtxt", "py/config.pbtxt"]
    assert "py/1/model.py; allow_code takes it" in fetched.notices[0]
    allowed = pull("org/models", {"allow_code": True})
    assert "py/1/model.py" in [file.path for file in allowed.files]


def test_a_repository_with_nothing_to_serve(hub: LocalHub, pull: Any, refusal: Any) -> None:
    hub.add("org/data", {"README.md": b"x", "train.csv": b"1"})
    with refusal(InvalidConfiguration, "neither config.json", "README.md, train.csv"):
        pull("org/data")


def test_a_bare_name_that_the_hub_lacks_points_at_the_folder(
    hub: LocalHub, pull: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Any
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with refusal(NotFound, "no public repository org/name", "for the folder of that name write ./org/name"):
        pull("org/name")
    assert "write ./org/name" in pull.progress.notes[0]
    with hub.refused_connections(), refusal(DownloadFailed, "cannot be reached", "write ./org/name"):
        pull("org/name")


def test_odd_names_in_a_repository_are_passed_over(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", {**checkpoint, "../../etc/passwd": b"x", "a\x07b.json": b"x", "/abs": b"x"})
    assert [file.path for file in pull("org/name").files] == WANTED


def test_a_mirror_that_lists_names_only(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.gives_sizes = False
    hub.add("org/name", checkpoint)
    fetched = pull("org/name")
    assert {file.path: file.size_bytes for file in fetched.files} == {path: len(checkpoint[path]) for path in WANTED}
    with hub.refused_connections():
        assert pull("org/name").files == fetched.files


def test_an_old_sentence_transformers_repository(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    body = {
        f"0_Transformer/{path}": checkpoint[path] for path in ("config.json", "tokenizer.json", "model.safetensors")
    }
    around = {path: checkpoint[path] for path in ("1_Pooling/config.json", "pytorch_model.bin")}
    around["modules.json"] = b'[{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]'
    hub.add("org/name", {**body, **around, "0_Transformer/pytorch_model.bin": b"x"})
    assert [file.path for file in pull("org/name").files] == sorted([*body, "modules.json", "1_Pooling/config.json"])
