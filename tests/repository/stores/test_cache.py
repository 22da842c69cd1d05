from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.address import StoreReference
from naiad.repository.stores.cache import Hold, StoreCache, cache_size
from naiad.repository.stores.listing import Listing, StoredFile

MODEL = StoreReference("s3", "bucket", "models/m")


@pytest.fixture
def cache(tmp_path: Path) -> StoreCache:
    return StoreCache(tmp_path / "stores")


def fill(cache: StoreCache, contents: dict[str, bytes], reference: StoreReference = MODEL, tag: str = "1") -> Listing:
    """Take up a whole listing, as if it had been downloaded."""
    files = [StoredFile(path, len(content), tag) for path, content in contents.items()]
    for file in files:
        cache.partial(reference, file).write_bytes(contents[file.path])
        cache.keep(reference, file)
    return Listing.of(files)


def held(cache: StoreCache, listing: Listing, reference: StoreReference = MODEL) -> Hold:
    hold = cache.hold(reference, listing)
    assert hold is not None
    return hold


def test_a_listing_becomes_a_folder_of_the_models_name(cache: StoreCache) -> None:
    hold = held(cache, fill(cache, {"config.pbtxt": b"a", "1/model.onnx": b"bb"}))
    assert hold.folder.name == "m"
    assert (hold.folder / "config.pbtxt").read_bytes() == b"a"
    assert (hold.folder / "1" / "model.onnx").read_bytes() == b"bb"
    hold.release()


def test_an_empty_versions_folder_is_a_folder(cache: StoreCache) -> None:
    """That of a backend without a model file; nothing is downloaded for it."""
    files = fill(cache, {"config.pbtxt": b"a"}).files
    hold = held(cache, Listing.of([*files, StoredFile("1", 0, "marker")]))
    assert (hold.folder / "1").is_dir()
    hold.release()


def test_the_same_listing_is_the_same_folder_and_another_is_another(cache: StoreCache) -> None:
    first, again = (held(cache, fill(cache, {"1/model.onnx": b"x"})) for _ in range(2))
    changed = held(cache, fill(cache, {"1/model.onnx": b"y"}, tag="2"))
    assert first.folder == again.folder != changed.folder
    assert (first.folder / "1/model.onnx").read_bytes() == b"x"
    for hold in (first, again, changed):
        hold.release()


def test_equal_contents_take_their_room_once(cache: StoreCache) -> None:
    other = StoreReference("gs", "bucket", "n")
    holds = [held(cache, fill(cache, {"tokenizer.json": b"x" * 100}, one), one) for one in (MODEL, other)]
    assert len(list(cache.contents.iterdir())) == 1
    for hold in holds:
        hold.release()


def test_half_of_a_listing_is_no_folder(cache: StoreCache) -> None:
    listing = fill(cache, {"1/model.onnx": b"x"})
    assert cache.hold(MODEL, Listing((*listing.files, StoredFile("config.pbtxt", 1, "1")))) is None
    assert not [path for path in (cache.folder / "folders").iterdir() if path.suffix != ".lock"]


def test_a_content_of_another_size_is_not_taken_for_it(cache: StoreCache) -> None:
    [file] = fill(cache, {"a": b"xx"}).files
    content = cache.find_content(MODEL, file)
    assert content is not None
    content.write_bytes(b"x")
    assert cache.find_content(MODEL, file) is None


def test_what_was_not_served_for_longest_goes_first_and_what_is_served_stays(cache: StoreCache) -> None:
    holds = [held(cache, fill(cache, {"1/w": bytes([tag]) * 1000}, tag=str(tag))) for tag in range(4)]
    for hold in holds[:3]:
        hold.release()
    cache.trim(4000)
    assert all(hold.folder.is_dir() for hold in holds)
    cache.trim(2500)
    assert [hold.folder.is_dir() for hold in holds] == [False, False, True, True]
    cache.trim(0)
    assert [hold.folder.is_dir() for hold in holds] == [False, False, False, True]
    assert (holds[3].folder / "1/w").read_bytes() == b"\x03" * 1000
    assert len(list(cache.contents.iterdir())) == 1
    holds[3].release()


def test_what_came_in_part_goes_too_where_room_is_needed(cache: StoreCache) -> None:
    part = cache.partial(MODEL, StoredFile("a", 10, "1"))
    part.write_bytes(b"12345")
    cache.trim(5)
    assert part.exists()
    cache.trim(4)
    assert not part.exists()


def test_the_last_listing_is_remembered(cache: StoreCache) -> None:
    assert cache.recall(MODEL) is None
    listing = fill(cache, {"a": b"1", "b": b"2"})
    cache.remember(MODEL, listing)
    assert cache.recall(MODEL) == listing
    next((cache.folder / "listings").iterdir()).write_text("{")
    assert cache.recall(MODEL) is None


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("20G", 20 << 30), ("1 tib", 1 << 40), ("5MB", 5 << 20)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert cache_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "1X", "-1", "1.5G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="NAIAD_STORE_CACHE_SIZE must be a size such as 20G"):
        cache_size(text)
