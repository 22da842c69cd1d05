from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository import LayoutKind, ModelFolder, recognise, versions_of

Make = Callable[..., Path]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9000000\n"
CHECKPOINT = {"config.json": b"{}", "tokenizer.json": b"{}"}


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["config.json", "tokenizer.json", "model.safetensors"], LayoutKind.CHECKPOINT),
        (["config.json", "vocab.txt", "model.safetensors.index.json"], LayoutKind.CHECKPOINT),
        (["config.json", "tokenizer.json", "model.safetensors", "onnx/model.onnx"], LayoutKind.CHECKPOINT),
        (["config.json", "tokenizer.json", "onnx/model.onnx"], LayoutKind.ONNX_CHECKPOINT),
        (["config.json", "tokenizer.json", "model.onnx"], LayoutKind.ONNX_CHECKPOINT),
        (["modules.json", "0_T/config.json", "0_T/vocab.txt", "0_T/model.safetensors"], LayoutKind.CHECKPOINT),
        (
            ["modules.json", "0_StaticEmbedding/tokenizer.json", "0_StaticEmbedding/model.safetensors"],
            LayoutKind.CHECKPOINT,
        ),
        (["modules.json", "tokenizer.json", "model.safetensors"], LayoutKind.CHECKPOINT),
        (["config.pbtxt", "1/model.onnx"], LayoutKind.TRITON_MODEL),
        (["config.pbtxt"], LayoutKind.TRITON_MODEL),
        (["1/model.onnx"], LayoutKind.TRITON_MODEL),
        (["a/config.pbtxt", "a/1/model.onnx", "b/2/model.onnx"], LayoutKind.TRITON_REPOSITORY),
        (["a/config.pbtxt", "README.md", "docs/index.md"], LayoutKind.TRITON_REPOSITORY),
    ],
)
def test_kinds(files: list[str], kind: LayoutKind, make_folder: Make) -> None:
    assert recognise(make_folder("m", {**dict.fromkeys(files, b"x"), **modules_of(files)})).kind is kind


def modules_of(files: list[str]) -> dict[str, bytes]:
    """What modules.json must say, if it is there: the first module lies where the first of the other files does."""
    if "modules.json" not in files:
        return {}
    kind = "StaticEmbedding" if "Static" in files[1] or "config.json" not in str(files) else "Transformer"
    row = {"path": files[1].rpartition("/")[0], "type": f"sentence_transformers.models.{kind}"}
    return {"modules.json": json.dumps([row]).encode()}


def test_models_of_a_repository_with_their_versions(make_folder: Make) -> None:
    names = ["b/config.pbtxt", "b/10/m", "b/2/m", "b/02/m", "b/0/m", "b/x/m", "b/.3/m", "a/1/m", ".hidden/config.pbtxt"]
    folder = make_folder("repository", dict.fromkeys(names, b"x"))
    assert recognise(folder).models == (
        ModelFolder("a", folder / "a", (1,)),
        ModelFolder("b", folder / "b", (2, 10)),
    )


def test_version_folders_are_positive_numbers_without_leading_zero(tmp_path: Path) -> None:
    for name in ("1", "12", "007", "0", "-1", "1.0", "v1", "１", "9" * 40):
        (tmp_path / name).mkdir()
    (tmp_path / "3").touch()
    assert versions_of(tmp_path) == (1, 12)


def test_another_onnx_file_can_be_named(make_folder: Make) -> None:
    folder = make_folder("m", {**CHECKPOINT, "onnx/model_fp16.onnx": b"x", "onnx/model_int8.onnx": b"x"})
    assert recognise(folder, onnx="onnx/model_int8.onnx").onnx == folder / "onnx/model_int8.onnx"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["onnx/model_fp16.onnx"], "onnx/model_fp16.onnx"),
        (["onnx/model_q4.onnx"], "onnx/model_q4.onnx"),
        (["model_quantized.onnx"], "model_quantized.onnx"),
        (["onnx/model_quantized.onnx", "onnx/model_fp16.onnx", "onnx/model_q4.onnx"], "onnx/model_fp16.onnx"),
        (["onnx/model_int8.onnx", "onnx/model_q4f16.onnx"], "onnx/model_int8.onnx"),
        (["onnx/model_O2.onnx", "onnx/model_fp16.onnx"], "onnx/model_O2.onnx"),
        (["onnx/model_qint8_arm64.onnx", "onnx/model_quint8_avx2.onnx"], "onnx/model_quint8_avx2.onnx"),
        (["model_fp16.onnx", "onnx/model_fp16.onnx"], "onnx/model_fp16.onnx"),
        (["onnx/encoder.onnx", "onnx/model_int8.onnx"], "onnx/encoder.onnx"),
        (["onnx/model.onnx", "onnx/other.onnx"], "onnx/model.onnx"),
    ],
)
def test_which_onnx_file_is_taken(files: list[str], expected: str, make_folder: Make) -> None:
    folder = make_folder("m", {**CHECKPOINT, **dict.fromkeys(files, b"x")})
    assert recognise(folder).onnx == folder / expected


def test_several_onnx_files_of_names_of_their_own(make_folder: Make) -> None:
    folder = make_folder("m", {**CHECKPOINT, "onnx/a.onnx": b"x", "b.onnx": b"x"})
    (folder / "model.safetensors").unlink(missing_ok=True)
    with pytest.raises(InvalidConfiguration, match=r"set `weights` to one of b\.onnx, onnx/a\.onnx"):
        recognise(folder)


def test_an_onnx_file_of_another_name_counts_if_it_is_the_only_one(make_folder: Make) -> None:
    folder = make_folder("m", {**CHECKPOINT, "onnx/model_fp16.onnx": b"x"})
    assert recognise(folder).onnx == folder / "onnx/model_fp16.onnx"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ["an empty folder", "config.json"]),
        (["notes.txt", "sub/file"], ["found notes.txt, sub/", "config.pbtxt", "numbered version folder"]),
        (["model.onnx"], ["holds nothing to serve", "model.onnx"]),
        (["config.json", "tokenizer.json"], ["no weights", "model.safetensors", "found config.json, tokenizer.json"]),
        (["config.json", "pytorch_model.bin"], ["pytorch_model.bin", "can run code", "save_pretrained"]),
        (["config.json", "model.safetensors"], ["no tokenizer", "tokenizer.json"]),
    ],
)
def test_what_cannot_be_served_is_said(files: list[str], words: list[str], make_folder: Make, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(InvalidConfiguration) as caught:
        recognise(make_folder("m", dict.fromkeys(files, b"x")))
    assert [word for word in words if word not in caught.value.message] == []


@pytest.mark.parametrize(
    ("pointer", "others"),
    [
        ("model.safetensors", ["tokenizer.json"]),
        ("model-00002-of-00002.safetensors", ["model.safetensors.index.json", "tokenizer.json"]),
        ("onnx/model.onnx", ["tokenizer.json"]),
        ("onnx/model.onnx_data", ["onnx/model.onnx", "tokenizer.json"]),
        ("tokenizer.json", ["model.safetensors"]),
        ("spiece.model", ["model.safetensors"]),
    ],
)
def test_a_git_lfs_pointer_in_place_of_a_file_is_said(pointer: str, others: list[str], make_folder: Make) -> None:
    files = {**dict.fromkeys(["config.json", *others], b"x"), pointer: POINTER}
    with pytest.raises(InvalidConfiguration, match=rf"{pointer} is a Git LFS pointer.*git lfs pull"):
        recognise(make_folder("m", files))


@pytest.mark.parametrize("unused", ["onnx/model.onnx", "pytorch_model.bin", "sentencepiece.bpe.model"])
def test_a_git_lfs_pointer_that_is_not_needed_is_no_fault(unused: str, make_folder: Make) -> None:
    files = {**dict.fromkeys(["config.json", "tokenizer.json", "model.safetensors"], b"x"), unused: POINTER}
    assert recognise(make_folder("m", files)).kind is LayoutKind.CHECKPOINT


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no folder"):
        recognise(tmp_path / "missing")


@pytest.mark.parametrize("inside", ["1/model.onnx", "labels.txt"])
def test_a_link_out_of_a_model_is_refused(inside: str, make_folder: Make, tmp_path: Path) -> None:
    folder = make_folder("repository", {"m/config.pbtxt": b"", "m/1/other": b""})
    (tmp_path / "secret").write_text("s")
    (folder / "m" / inside).symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidConfiguration, match="leads out of its model's folder"):
        recognise(folder)


def test_a_whole_model_may_be_a_link(make_folder: Make) -> None:
    """The operator made it; what is inside must still stay inside."""
    model = make_folder("elsewhere", {"config.pbtxt": b"", "1/model.onnx": b""})
    repository = make_folder("repository", {"first/config.pbtxt": b""})
    (repository / "second").symlink_to(model)
    assert [each.name for each in recognise(repository).models] == ["first", "second"]


def test_a_folder_that_another_model_is_being_converted_in(make_folder: Make) -> None:
    """Conversions are made beside the model and come and go; one that went while we looked ended the server's start."""
    folder = make_folder("m", {**CHECKPOINT, "model.safetensors": b"x"})
    is_over = threading.Event()

    def convert() -> None:
        while not is_over.is_set():
            making = folder / ".naiad" / ".making-x"
            (making / "entry").mkdir(parents=True)
            shutil.rmtree(making)

    thread = threading.Thread(target=convert)
    thread.start()
    try:
        for _ in range(500):
            assert recognise(folder).kind is LayoutKind.CHECKPOINT
    finally:
        is_over.set()
        thread.join()


def test_folders_that_are_links_and_links_to_blobs(make_folder: Make, tmp_path: Path) -> None:
    """A link to a snapshot of the Hub's cache, and a folder that the Hub's library filled with links to blobs."""
    snapshot = make_folder("hub/models--org--m/snapshots/abc", dict.fromkeys(["config.json", "tokenizer.json"], b"x"))
    blobs = make_folder("hub/models--org--m/blobs", {"123": b"x"})
    (snapshot / "model.safetensors").symlink_to("../../blobs/123")
    (tmp_path / "link").symlink_to(snapshot)
    assert recognise(tmp_path / "link").safetensors == tmp_path / "link" / "model.safetensors"
    local = make_folder("local", dict.fromkeys(["config.json", "tokenizer.json"], b"x"))
    (local / "model.safetensors").symlink_to(blobs / "123")
    assert recognise(local).safetensors == local / "model.safetensors"
    (local / "notes").symlink_to(tmp_path / "hub")
    with pytest.raises(InvalidConfiguration, match="leads out of its model's folder"):
        recognise(local)


@pytest.mark.parametrize(
    "files",
    [
        ["adapter_config.json", "adapter_model.safetensors"],
        ["config.json", "vocab.txt", "adapter_config.json", "adapter_model.safetensors"],
        ["config.json", "vocab.txt", "adapter_config.json", "model.safetensors", "onnx/model.onnx"],
    ],
)
def test_an_adapter_is_never_left_out_silently(files: list[str], make_folder: Make) -> None:
    with pytest.raises(InvalidConfiguration, match=r"adapter_config\.json: an adapter .* merge_and_unload"):
        recognise(make_folder("m", dict.fromkeys(files, b"{}")))


def test_a_chosen_onnx_file_beside_an_adapter(make_folder: Make) -> None:
    files = ["config.json", "vocab.txt", "adapter_config.json", "model.safetensors", "onnx/model.onnx"]
    folder = make_folder("m", dict.fromkeys(files, b"{}"))
    assert recognise(folder, onnx="onnx/model.onnx").onnx == folder / "onnx" / "model.onnx"
