from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration
from naiad.repository import FolderReference, HubReference, PackageReference, parse_reference, split_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://org/name", HubReference("org/name")),
        ("org/name", HubReference("org/name")),
        ("  org/name \n", HubReference("org/name")),
        ("org/name@v1", HubReference("org/name", "v1")),
        (f"hf://org/name@{COMMIT}", HubReference("org/name", COMMIT)),
        ("hf://org/name@main/sub/deeper", HubReference("org/name", "main", "sub/deeper")),
        ("hf://org/name/sub", HubReference("org/name", "", "sub")),
        ("hf://org/name/", HubReference("org/name")),
        ("hf://org/name@refs/pr/12/sub", HubReference("org/name", "refs/pr/12", "sub")),
        ("hf://org/name@feature%2Fx", HubReference("org/name", "feature/x")),
        ("HF://org/name", HubReference("org/name")),
        ("sentence-transformers/all-MiniLM-L6-v2", HubReference("sentence-transformers/all-MiniLM-L6-v2")),
        ("pkg://some_module", PackageReference("some_module")),
        ("pkg://some.module/a/b", PackageReference("some.module", "a/b")),
    ],
)
def test_sources_that_are_not_folders(text: str, expected: object, tmp_path: Path) -> None:
    assert parse_reference(text, tmp_path) == expected


@pytest.mark.parametrize(
    "text",
    ["hf://org/name", "hf://org/name@v1/sub", "hf://org/name@refs/pr/1", "hf://org/name@a%2Fb/c", "pkg://a.b/c"],
)
def test_a_reference_prints_as_it_is_written(text: str) -> None:
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize("text", ["./models", "models", "models/", "./models/../models", "{base}/models"])
def test_folders(text: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert parse_reference(text.format(base=tmp_path), tmp_path) == FolderReference(tmp_path / "models")


def test_a_folder_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    assert parse_reference("~/models", Path("/")) == FolderReference(tmp_path / "models")


def test_a_bare_name_means_the_hub_even_if_such_a_folder_exists_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    bare, dotted = parse_reference("org/name", tmp_path), parse_reference("./org/name", tmp_path)
    assert (bare, dotted) == (HubReference("org/name"), FolderReference(tmp_path / "org" / "name"))
    assert bare.note == "'org/name' is taken as a Hub repository; for the folder of that name write ./org/name"
    assert dotted.note == ""


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("", "a source is empty", "hf://org/name"),
        ("hf:/org/name", "one slash too few", "did you mean 'hf://org/name'?"),
        ("hf://name", "names no repository", "openai-community/gpt2"),
        ("hf:///name", "names no repository", "hf://org/name"),
        ("hf://org/name@", "revision", "hf://org/name@main"),
        ("hf://org/name/sub@v1", "between repository and subfolder", "hf://org/name@v1/sub"),
        ("hf://org/name/../other", "plain names", "hf://org/name"),
        ("hf://org/na me", "is not the name of a Hub repository", "org/name"),
        ("hf://org/name@a b", "plain names", "revision"),
        ("https://huggingface.co/org/name", "is a web address", "did you mean hf://org/name?"),
        ("https://huggingface.co/org/name/tree/v1/onnx", "is a web address", "did you mean hf://org/name@v1/onnx?"),
        ("https://example.com/model.onnx", "not read from web addresses", "hf://org/name"),
        ("ftp://bucket/key", "unknown scheme ftp://", "pkg://module/path"),
        ("gpt2", "there is no folder of that name", "hf://org/name"),
        ("s3:bucket/path", "no slashes behind s3:", "did you mean 's3://bucket/path'?"),
        ("hf:org/name", "no slashes behind hf:", "did you mean 'hf://org/name'?"),
        ("./missing", "there is no such folder", "./folder"),
        ("./missing/two", "there is no such folder", "for the Hub write hf://missing/two"),
        ("org/name/sub", "there is no folder", "for the Hub write hf://org/name/sub"),
        ("pkg://", "is not a module's name", "pkg://module/path"),
        ("pkg://a/../b", "must stay inside the package", "pkg://a/../b"),
        ("~no-such-user/x", "no such user's home", "~no-such-user"),
        ("./" + "x" * 300, "too long", "xxx"),
        ("x" * 5000, "cannot be a source", "hf://org/name"),
        ("a\0b", "cannot be a source", "hf://org/name"),
        ("file.txt", "is a file", "give the folder it lies in"),
    ],
)
def test_mistakes_get_a_suggestion(text: str, problem: str, fix: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(InvalidConfiguration) as caught:
        parse_reference(text, tmp_path)
    assert problem in caught.value.message
    assert fix in caught.value.message


@given(st.text())
def test_any_text_is_a_reference_or_one_clear_error(text: str) -> None:
    try:
        understood = str(parse_reference(text, Path("/nowhere")))
    except InvalidConfiguration as error:
        understood = error.message
    assert understood


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mini=org/name", ("mini", "org/name")),
        ("all-MiniLM-L6-v2=pkg://a/b", ("all-MiniLM-L6-v2", "pkg://a/b")),
        ("org/name", ("", "org/name")),
        ("./a=b", ("", "./a=b")),
        ("hf://org/name@a=b", ("", "hf://org/name@a=b")),
    ],
)
def test_names_before_sources(text: str, expected: tuple[str, str]) -> None:
    assert split_name(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("org/name@v1", "name"), ("hf://org/name/sub/deep", "deep"), ("pkg://a.some_module/model", "some-module")],
)
def test_default_names(text: str, expected: str) -> None:
    assert parse_reference(text).default_name == expected


def test_a_program_written_as_for_uvicorn_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "main.py").touch()
    with pytest.raises(InvalidConfiguration, match=r"did you mean package/main\.py:app\?"):
        parse_reference("package.main:app")


@pytest.mark.parametrize("text", ["app.pyy:app", "ap.py:app", "./app.pyy:app"])
def test_a_misspelt_file_of_an_application(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.py").touch()
    Path("other.py").touch()
    with pytest.raises(InvalidConfiguration, match=r"did you mean app\.py:app\?"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["preprocess.py:app", "nowhere/app.pyy:app", "lama:latest"])
def test_no_file_is_like_it(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("llama.py").touch()
    with pytest.raises(InvalidConfiguration) as raised:
        parse_reference(text)
    assert "did you mean llama.py" not in str(raised.value)
