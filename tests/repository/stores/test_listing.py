from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.listing import Listing, StoredFile


def listing(*paths: str) -> Listing:
    return Listing.of(StoredFile(path, 1, "tag") for path in paths)


@pytest.mark.parametrize(
    ("paths", "is_checkpoint", "is_model"),
    [
        ((), False, False),
        (("config.json", "model.safetensors"), True, False),
        (("modules.json", "1_Pooling/config.json"), True, True),
        (("config.pbtxt", "1/model.onnx"), False, True),
        (("config.pbtxt", "config.json"), False, True),
        (("1/model.onnx",), False, True),
        (("01/model.onnx", "a/1/model.onnx", "README.md"), False, False),
        (("1",), False, False),
    ],
)
def test_names_tell_what_lies_there(paths: tuple[str, ...], is_checkpoint: bool, is_model: bool) -> None:
    found = listing(*paths)
    assert found.is_checkpoint == is_checkpoint
    if not is_checkpoint:
        assert found.is_model == is_model


def test_markers_of_folders_and_hidden_files_do_not_count() -> None:
    assert listing("a/", "a/1/", ".git/config", "a/.hidden", "a/1/model.onnx").files == (
        StoredFile("a/1/model.onnx", 1, "tag"),
    )


def test_markers_are_known_where_the_client_leaves_their_slash_out() -> None:
    """The folder itself, one that has files, one that has a folder with files; a version's folder without files."""
    sizes = {"": 0, "a": 0, "a/1": 0, "a/1/model.onnx": 5, "b": 0, "b/c/d": 5, "2": 0, "empty.txt": 0}
    found = Listing.of(StoredFile(path, size, "tag") for path, size in sizes.items())
    assert [file.path for file in found.files] == ["2", "a/1/model.onnx", "b/c/d", "empty.txt"]
    assert [file.path for file in found.files if file.is_version] == ["2"]
    found.check()


def test_a_file_goes_before_a_marker_of_its_name() -> None:
    found = Listing.of([StoredFile("a", 5, "file"), StoredFile("a/", 0, "marker")])
    assert found.files == (StoredFile("a", 5, "file"),)


def test_children_are_the_folders() -> None:
    children = listing("a/config.pbtxt", "a/1/model.onnx", "b/1/x", "README.md").children()
    assert {name: [file.path for file in child.files] for name, child in children.items()} == {
        "a": ["1/model.onnx", "config.pbtxt"],
        "b": ["1/x"],
    }


def test_the_digest_follows_names_sizes_and_tags_and_no_order() -> None:
    one, two = StoredFile("a", 1, "x"), StoredFile("b", 1, "x")
    digests = [
        Listing.of(files).digest
        for files in ([one], [two], [one, two], [StoredFile("a", 2, "x")], [StoredFile("a", 1, "y")], [])
    ]
    assert len(set(digests)) == len(digests)
    assert Listing.of([two, one]).digest == Listing.of([one, two]).digest


@pytest.mark.parametrize("paths", [("../a",), ("/a",), ("a", "a/b"), ("a//b",), ("a\\b",), ("a\n",)])
def test_what_cannot_lie_in_a_folder_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(InvalidConfiguration, match=r"must be relative|cannot lie in a folder"):
        Listing(tuple(StoredFile(path, 1, "") for path in paths)).check()
