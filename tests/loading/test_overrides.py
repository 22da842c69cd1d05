"""What may come with a load: configurations and files, and the ways in which they could do harm."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration, InvalidRequest, NaiadError, Unsupported
from naiad.core.settings.config import ModelSettings
from naiad.loading import overrides
from naiad.loading.overrides import Override, read_override
from naiad.serving.control import LoadParameters

ONNX = '{"backend": "onnxruntime"}'


def read(config: str | None = ONNX, files: Any = None, **settings: Any) -> Override | None:
    return read_override("m", LoadParameters(config, files or {}), ModelSettings.of(**settings))


def test_nothing_is_no_override() -> None:
    assert read(None) is None


def test_a_configuration_may_have_numbers_as_strings() -> None:
    override = read('{"max_batch_size": "16"}')
    assert override is not None
    assert override.document["max_batch_size"] == 16
    assert override.folder is None


@pytest.mark.parametrize("config", ["", "{", "[]", '{"max_batch_sze": 1}', '{"max_batch_size": "x"}', "[" * 10_000])
def test_a_wrong_configuration(config: str) -> None:
    with pytest.raises(InvalidConfiguration, match="Invalid config override: "):
        read(config)


def test_files_need_a_configuration() -> None:
    with pytest.raises(InvalidConfiguration, match="'config' must be specified for model file override"):
        read(None, {"1/model.onnx": b"x"})


def test_files_lie_in_a_folder_that_only_this_user_can_read_and_go_with_the_override() -> None:
    override = read(files={"1/model.onnx": b"abc", "labels.txt": base64.b64encode(b"a\nb").decode()})
    assert override is not None
    assert override.folder is not None
    assert override.folder.name == "m"
    assert (override.folder / "1" / "model.onnx").read_bytes() == b"abc"
    assert (override.folder / "labels.txt").read_bytes() == b"a\nb"
    assert override.folder.parent.stat().st_mode & 0o077 == 0
    override.discard()
    assert not override.folder.parent.exists()


@pytest.mark.parametrize(
    "path",
    ["../x", "../../etc/passwd", "/etc/passwd", "1/../../x", "..", "a\\..\\x", "", "a\0b", "1/\n", "//x", "./../x"],
)
def test_paths_stay_inside(path: str) -> None:
    with pytest.raises(InvalidConfiguration, match="must stay within model directory"):
        read(files={path: b"x"})


@pytest.mark.parametrize("files", [{"a" * 256: b""}, {"a": b"", "a/b": b""}, {"a/" * 3000: b""}, {".": b""}])
def test_what_cannot_be_written_leaves_nothing_behind(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InvalidConfiguration, match="cannot be written"):
        read(files=files)
    assert list(tmp_path.iterdir()) == []


@given(st.dictionaries(st.text(max_size=30), st.binary(max_size=8), min_size=1, max_size=3))
def test_no_file_is_ever_written_outside(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    import tempfile

    around = tmp_path_factory.mktemp("around")
    before, tempfile.tempdir = tempfile.tempdir, str(around)
    try:
        override = read(files=files, allow_code_upload=True)
    except NaiadError:
        assert list(around.iterdir()) == []
    else:
        assert override is not None
        assert override.folder is not None
        found = {path for path in around.rglob("*") if path.is_file()}
        assert len(found) <= len(files)
        assert all(path.is_relative_to(override.folder) for path in found)
        override.discard()
    finally:
        tempfile.tempdir = before


@pytest.mark.parametrize("name", ["..", ".a", "a/b", "", "a\0", "x" * 256, "$(id)", "a b", "-rf", "ä"])
def test_a_name_that_means_something_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="may have letters, digits"):
        read_override(name, LoadParameters(ONNX, {"1/model.onnx": b""}), ModelSettings())


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"backend": "python"}, "1/model.py"),
        ({"backend": "onnxruntime"}, "1/model.py"),
        ({"backend": "onnxruntime"}, "1/lib.so"),
        ({"backend": "onnxruntime"}, "1/lib.so.1"),
        ({"backend": "onnxruntime"}, "env.tar.gz"),
        ({"backend": "onnxruntime"}, "1/MODEL.PY"),
        ({"backend": "python", "default_model_filename": "model.txt"}, "1/model.txt"),
        ({"platform": "pytorch_libtorch"}, "1/anything"),
    ],
)
def test_what_can_run_code_needs_the_operators_word(config: dict[str, str], path: str) -> None:
    with pytest.raises(Unsupported, match=r"can run code.*--allow-code-upload"):
        read(json.dumps(config), {path: b""})
    override = read(json.dumps(config), {path: b""}, allow_code_upload=True)
    assert override is not None
    override.discard()


def test_the_backend_is_told_by_the_file() -> None:
    override = read("{}", {"1/model.onnx": b""})
    assert override is not None
    override.discard()
    with pytest.raises(InvalidConfiguration, match="Could not determine backend"):
        read("{}", {"1/data": b""})


@pytest.mark.parametrize("as_text", [False, True])
def test_uploads_are_bounded(as_text: bool) -> None:
    def sent(size: int) -> str | bytes:
        return base64.b64encode(bytes(size)).decode() if as_text else bytes(size)

    override = read(files={"1/a": sent(60), "1/b": sent(40)}, model_upload_max_size=100)
    assert override is not None
    override.discard()
    with pytest.raises(InvalidRequest, match=r"more than 100 bytes.*--model-upload-max-size"):
        read(files={"1/a": sent(60), "1/b": sent(43)}, model_upload_max_size=100)


@pytest.mark.parametrize("text", ["$$$", "abc", "YQ==YQ=="])
def test_what_is_not_base64(text: str) -> None:
    with pytest.raises(InvalidRequest, match="'file:1/a' is not base64"):
        read(files={"1/a": text})


@given(st.binary(max_size=40), st.text("=AQ\n", max_size=3), st.integers(0, 60))
def test_base64_in_pieces_is_base64(data: bytes, junk: str, at: int) -> None:
    """And what is none is none, wherever the pieces end; of padding too many, Python takes more than it makes."""
    text = base64.b64encode(data).decode()
    text = text[:at] + junk + text[at:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overrides, "_PIECE_LETTERS", 8)
        try:
            whole: bytes | None = base64.b64decode(text, validate=True)
        except ValueError:
            whole = None
        try:
            pieces: bytes | None = b"".join(overrides._from_base64(text))
        except ValueError:
            pieces = None
    assert pieces == whole or (pieces is None and whole is not None and base64.b64encode(whole).decode() != text)
