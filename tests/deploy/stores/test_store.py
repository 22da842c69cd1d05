"""Listing, reading and writing on real protocols."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from emulators import Emulator

from naiad.core.errors import NotFound
from naiad.repository.reference import parse_reference
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.listing import StoredFile
from naiad.repository.stores.store import Changed, Store


@pytest.fixture
def folder(store: Emulator) -> tuple[Emulator, Store, str]:
    """A store, its client for a folder of its own, and the folder's path in the bucket."""
    path = f"test/{uuid4().hex}"
    reference = parse_reference(f"{store.address}/{path}")
    assert isinstance(reference, StoreReference)
    return store, Store(reference), path


def test_a_folder_is_listed_whole_and_nothing_beside_it(folder: tuple[Emulator, Store, str]) -> None:
    store, client, path = folder
    for name in ("config.pbtxt", "1/model.onnx", "1/sub/é x+y.bin", "deep/a/b/c"):
        store.put(f"{path}/{name}", name.encode())
    store.put(f"{path}-beside/config.pbtxt", b"")
    found = client.list()
    assert {file.path: file.size_bytes for file in found.files} == {
        "config.pbtxt": 12, "1/model.onnx": 12, "1/sub/é x+y.bin": 16, "deep/a/b/c": 10
    }  # fmt: skip
    for file in found.files:
        assert bytes(client.read(file, 0, file.size_bytes)) == file.path.encode()


def test_what_is_not_there_is_an_empty_folder(folder: tuple[Emulator, Store, str]) -> None:
    assert folder[1].list().files == ()


def test_more_than_a_page_of_objects(folder: tuple[Emulator, Store, str]) -> None:
    store, client, path = folder
    if "S3RVER" in store.environ.values():
        pytest.skip("s3rver fails after its first page")
    for number in range(1100):
        store.put(f"{path}/{number:04}", b"")
    assert [file.path for file in client.list().files] == [f"{number:04}" for number in range(1100)]


def test_a_part_is_read(folder: tuple[Emulator, Store, str]) -> None:
    store, client, path = folder
    store.put(f"{path}/a", bytes(range(100)))
    [file] = client.list().files
    assert bytes(client.read(file, 10, 20)) == bytes(range(10, 20))
    assert bytes(client.read(file, 90, 200)) == bytes(range(90, 100))


def test_an_object_that_is_written_anew_is_another(folder: tuple[Emulator, Store, str]) -> None:
    store, client, path = folder
    store.put(f"{path}/a", b"one")
    [before] = client.list().files
    store.put(f"{path}/a", b"two")
    [after] = client.list().files
    assert before.tag != after.tag
    with pytest.raises(Changed, match=r"a has changed since it was listed"):
        client.read(before, 0, 3)
    store.delete(f"{path}/a")
    with pytest.raises(Changed, match=r"a has (changed|gone) since it was listed"):
        client.read(after, 0, 3)


def test_there_is_no_such_bucket(folder: tuple[Emulator, Store, str]) -> None:
    client = Store(replace(folder[1].reference, bucket="absent"))
    if client.reference.scheme == "gs":
        pytest.skip("the emulator answers 500 where Google's store says NoSuchBucket")
    with pytest.raises(NotFound, match="there is no bucket 'absent'"):
        client.list()


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "1")
    reference = parse_reference("s3://127.0.0.1:1/bucket/a")
    assert isinstance(reference, StoreReference)
    with pytest.raises(
        OSError, match=r"http://127.0.0.1:1/bucket/a/a: error sending request \(asked with no credentials\)"
    ):
        Store(reference).read(StoredFile("a", 1, ""), 0, 1)


def test_a_file_is_written(folder: tuple[Emulator, Store, str], tmp_path: Path) -> None:
    _, client, _ = folder
    contents = {"1/model.onnx": b"content", "1/é x+y.bin": b"", "1/large": bytes(range(256)) * (24 << 10)}
    for name, content in contents.items():
        (tmp_path / "file").write_bytes(content)
        client.write(name, tmp_path / "file")
    assert {file.path: bytes(client.read(file, 0, 8 << 20)) for file in client.list().files if file.size_bytes} == {
        name: content for name, content in contents.items() if content
    }
    assert {file.path for file in client.list().files} == set(contents)
