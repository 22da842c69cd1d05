"""A region reads and writes its own bytes, and no others, whatever a client asks for."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naiad.core.errors import Failed, InvalidRequest
from naiad.serving.shared_memory.region import Region, ReservedMemory, check_range

Make = Callable[..., str]
Count = Callable[[str], tuple[int, int]]

OBJECTS = Path("/dev") / "shm"
OVERFLOW = (
    "Integer overflow detected: byte_size (18446744073709551615) + offset (2) exceeds maximum value "
    "(18446744073709551615) for region 'n'"
)
ARGS = "failed to register shared memory region 'n': invalid args"
NUMBERS = st.integers(0, 300) | st.integers(0, 2**70) | st.sampled_from([2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])


@given(st.integers(1, 300), NUMBERS, NUMBERS)
def test_a_range_is_allowed_exactly_if_it_lies_in_the_region(size: int, offset: int, byte_size: int) -> None:
    region = range(size)
    is_inside = offset in region and (not byte_size or offset + byte_size - 1 in region)
    try:
        check_range("n", size, offset, byte_size)
    except InvalidRequest:
        assert not is_inside
    else:
        assert is_inside


@pytest.mark.parametrize(
    ("offset", "byte_size", "message"),
    [
        (256, 0, "Invalid offset for shared memory region: 'n'"),
        (2**64 - 1, 1, "Invalid offset for shared memory region: 'n'"),
        (-1, 1, "Invalid offset for shared memory region: 'n'"),
        (255, 2, "Invalid offset + byte size for shared memory region: 'n'"),
        (0, 2**64 - 1, "Invalid offset + byte size for shared memory region: 'n'"),
        (0, -1, "Invalid offset + byte size for shared memory region: 'n'"),
        (
            2,
            2**64 - 1,
            OVERFLOW,
        ),
    ],
)
def test_what_is_outside_is_refused_in_the_words_of_triton(offset: int, byte_size: int, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_range("n", 256, offset, byte_size)
    assert caught.value.message == message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(offset=NUMBERS, byte_size=NUMBERS, at=NUMBERS, length=NUMBERS)
def test_a_region_shows_the_bytes_of_its_object(
    make_object: Make, offset: int, byte_size: int, at: int, length: int
) -> None:
    """Also where neither the region nor the range begins at a page; and nothing outside can be opened or read."""
    content = np.random.default_rng(1).bytes(PAGESIZE + 300)
    key = make_object(content)
    if not 0 < byte_size <= len(content) - offset:
        with pytest.raises(InvalidRequest, match=ARGS):
            Region("n", key, offset, byte_size)
        return
    region = Region("n", key, offset, byte_size)
    try:
        view = region.read(at, length)
    except InvalidRequest:
        assert at >= byte_size or at + length > byte_size
        return
    assert view.readonly
    assert bytes(view) == content[offset + at : offset + at + length]
    assert len(view) == length


@pytest.mark.parametrize("offset", [0, 1, 7, PAGESIZE - 1, PAGESIZE, PAGESIZE + 3])
def test_any_offset_will_do(make_object: Make, offset: int) -> None:
    key = make_object(bytes(offset) + b"0123456789" + bytes(5))
    region = Region("n", "/" + key, offset, 10)
    assert bytes(region.read(3, 4)) == b"3456"
    region.reserve(4, 3).write(memoryview(b"abc"))
    assert bytes(region.read(0, 10)) == b"0123abc789"
    assert (OBJECTS / key).read_bytes() == bytes(offset) + b"0123abc789" + bytes(5)


@pytest.mark.parametrize("key", ["", "..", ".", "a/b", "../x", "nosuch\0thing", "no-such-thing", "x" * 300])
def test_only_shared_memory_objects_are_opened(make_object: Make, key: str) -> None:
    del make_object  # only for its check of the system
    with pytest.raises(Failed) as caught:
        Region("n", key, 0, 1)
    assert caught.value.message == f"Unable to open shared memory region: '{key}'"


def test_a_key_may_begin_with_a_slash_or_not(make_object: Make) -> None:
    key = make_object(b"ab")
    assert bytes(Region("n", key, 0, 2).read(0, 2)) == bytes(Region("n", "/" + key, 0, 2).read(0, 2)) == b"ab"


def test_a_pipe_is_no_region(make_object: Make) -> None:
    key = make_object()
    (OBJECTS / key).unlink()
    os.mkfifo(OBJECTS / key)
    with pytest.raises(InvalidRequest, match="invalid args"):
        Region("n", key, 0, 1)


def test_an_object_that_shrank_is_refused_and_not_touched(make_object: Make) -> None:
    """Touching it would end the process with SIGBUS."""
    key = make_object(bytes(3 * PAGESIZE))
    region = Region("n", key, 0, 3 * PAGESIZE)
    region.read(0, 3 * PAGESIZE)
    place = region.reserve(2 * PAGESIZE, 8)
    os.truncate(OBJECTS / key, PAGESIZE)
    for use in (lambda: region.read(PAGESIZE, 1), lambda: place.write(memoryview(bytes(8)))):
        with pytest.raises(InvalidRequest) as caught:
            use()
        assert caught.value.message == (
            "shared memory region 'n' is smaller than when it was registered; unregister it"
        )
    assert (OBJECTS / key).stat().st_size == PAGESIZE
    assert bytes(region.read(PAGESIZE - 1, 1)) == b"\0"


def test_pages_that_nobody_has_written_are_found_before_they_are_read(make_object: Make) -> None:
    """A page that the system cannot give is an error then, not the end of the process."""
    region = Region("n", make_object(size=64 * PAGESIZE), 0, 64 * PAGESIZE)
    assert bytes(region.read(5, 10 * PAGESIZE)) == bytes(10 * PAGESIZE)

    class Full:
        def madvise(self, advice: int, start: int, length: int) -> None:
            asked.append((advice, start, length))
            raise OSError(12, "Cannot allocate memory")

    asked: list[tuple[int, int, int]] = []
    region.read(5, 10 * PAGESIZE)
    region._mapping = Full()  # type: ignore[assignment]
    with pytest.raises(Failed, match="cannot read shared memory region 'n': Cannot allocate memory"):
        region.read(20 * PAGESIZE + 5, 10)
    assert asked == [(22, 20 * PAGESIZE, 15)]


def test_pages_that_are_there_are_not_looked_for(make_object: Make) -> None:
    """Finding them costs as much as copying them."""

    class Untouched:
        def madvise(self, *arguments: int) -> None:
            raise AssertionError(arguments)

    region = Region("n", make_object(b"a" * (2 * PAGESIZE + 5)), 0, 2 * PAGESIZE)
    region._mapping = Untouched()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="a bytes-like object is required"):  # it gets as far as to the view
        region.read(5, PAGESIZE)


def test_a_full_system_is_an_error(make_object: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    region = Region("n", make_object(size=16), 0, 16)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Failed) as caught:
        region.write(0, memoryview(b"a"))
    assert caught.value.message == "cannot write to shared memory region 'n': No space left on device"


def test_a_write_that_the_system_takes_in_parts(make_object: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    region = Region("n", make_object(size=16), 4, 12)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, at: pwrite(descriptor, data[:3], at))
    region.write(1, memoryview(b"0123456789"))
    assert bytes(region.read(0, 12)) == b"\x000123456789\0"


def test_a_region_is_unmapped_when_its_last_view_goes(make_object: Make, count_mappings: Count) -> None:
    """And not before: by then it may long be unregistered."""
    key = make_object(b"01234567")
    gc.disable()
    try:
        region: Region | None = Region("n", key, 0, 8)
        assert region is not None
        assert count_mappings(key) == (1, 2)
        array: Any = np.ndarray((4,), np.uint8, region.read(2, 4))
        place: ReservedMemory | None = region.reserve(6, 2)
        region = None
        assert count_mappings(key) == (1, 2)
        assert place is not None
        place.write(memoryview(b"ab"))
        place = None
        assert count_mappings(key) == (1, 1)
        assert array.tobytes() == b"2345"
        del array
        assert count_mappings(key) == (0, 0)
    finally:
        gc.enable()
    assert (OBJECTS / key).read_bytes() == b"012345ab"


def test_what_cannot_be_mapped_leaves_nothing_open(make_object: Make, count_mappings: Count) -> None:
    key = make_object(size=2**40)  # sparse: it takes no memory
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**39, hard))
    try:
        with pytest.raises(InvalidRequest, match="invalid args"):
            Region("n", key, 0, 2**40)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert count_mappings(key) == (0, 0)
