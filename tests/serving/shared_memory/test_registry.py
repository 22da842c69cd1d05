"""The registry's calls, in Triton's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from naiad.core.errors import AlreadyExists, Failed, InvalidRequest, NaiadError, NotFound, Overloaded, Unsupported
from naiad.serving.shared_memory.registry import SharedMemory

Make = Callable[..., str]
Count = Callable[[str], tuple[int, int]]


def refused(call: Callable[..., Any], *arguments: Any) -> tuple[type[NaiadError], str]:
    with pytest.raises(NaiadError) as caught:
        call(*arguments)
    return type(caught.value), caught.value.message


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(is_allowed=True)


def test_what_is_registered_is_listed(memory: SharedMemory, make_object: Make) -> None:
    first, second = make_object(size=64), make_object(size=9000)
    memory.register("out", "/" + second, 5000, 4000)
    memory.register("in", first, 0, 64)
    memory.register("again", first, 1, 2)
    rows = [
        {"name": "again", "key": first, "offset": 1, "byte_size": 2},
        {"name": "in", "key": first, "offset": 0, "byte_size": 64},
        {"name": "out", "key": "/" + second, "offset": 5000, "byte_size": 4000},
    ]
    assert memory.status() == rows
    assert memory.status("in") == rows[1:2]
    memory.unregister("in")
    memory.unregister("in")
    assert memory.status() == [rows[0], rows[2]]
    memory.unregister()
    assert memory.status() == []


def test_what_cannot_be_registered(memory: SharedMemory, make_object: Make) -> None:
    key = make_object(size=64)
    memory.register("in", key, 0, 64)
    register = memory.register
    taken = (AlreadyExists, "shared memory region 'in' already in manager")
    assert refused(register, "in", key, 0, 64) == taken
    assert refused(register, "in", "nope", 0, 64) == taken
    assert refused(register, "x", "/nope", 0, 64) == (Failed, "Unable to open shared memory region: '/nope'")
    args = (InvalidRequest, "failed to register shared memory region 'x': invalid args")
    for offset, byte_size in ((0, 0), (0, 65), (64, 1), (1, 64), (2, 2**64 - 1), (2**64 - 1, 2), (2**63, 1), (-1, 2)):
        assert refused(register, "x", key, offset, byte_size) == args, (offset, byte_size)
    assert refused(register, "", key, 0, 1) == (
        InvalidRequest,
        "'region name' is necessary to register system shared memory region",
    )
    assert refused(register, "", "", 0, 1) == (Failed, "Unable to open shared memory region: ''")
    assert [row["name"] for row in memory.status()] == ["in"]


@pytest.mark.parametrize("key", ["/", "//"])
def test_a_key_of_slashes_is_no_key(memory: SharedMemory, key: str) -> None:
    kind, message = refused(memory.register, "x", key, 0, 1)
    assert kind is InvalidRequest
    assert message.endswith(f"invalid shm key '{key}'")


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_regions_of_other_servers_cannot_be_registered(memory: SharedMemory, slashes: str) -> None:
    """CVE-2025-23334: whoever knew the name of Triton's own region could read it through the public calls."""
    key = slashes + "triton_python_backend_shm_region_1"
    kind, message = refused(memory.register, "x", key, 0, 1)
    assert kind is InvalidRequest
    assert "reserved prefix 'triton_python_backend_shm_region_'" in message


def test_what_is_not_there_cannot_be_used(memory: SharedMemory, make_object: Make) -> None:
    memory.register("in", make_object(size=64), 0, 64)
    assert refused(memory.read, "x", 0, 1) == (NotFound, "Unable to find shared memory region: 'x'")
    assert refused(memory.reserve, "x", 0, 1) == (NotFound, "Unable to find shared memory region: 'x'")
    assert refused(memory.status, "x") == (NotFound, "Unable to find system shared memory region: 'x'")
    assert refused(memory.read, "in", 0, 65)[0] is InvalidRequest
    assert refused(memory.reserve, "in", 60, 5)[0] is InvalidRequest


def test_there_are_no_regions_of_cuda(memory: SharedMemory, make_object: Make) -> None:
    memory.register("in", make_object(size=64), 0, 64)
    assert memory.status_cuda() == []
    assert refused(memory.status_cuda, "x") == (NotFound, "Unable to find cuda shared memory region: 'x'")
    assert refused(memory.status_cuda, "in") == (
        NotFound,
        "The region named 'in' is registered as system shared memory, not CUDA shared memory",
    )
    no_gpu = (InvalidRequest, "failed to register shared memory region: invalid args")
    assert refused(memory.register_cuda, "x") == refused(memory.register_cuda, "") == no_gpu
    assert refused(memory.register_cuda, "in") == (AlreadyExists, "shared memory region 'in' already in manager")
    memory.unregister_cuda()
    memory.unregister_cuda("in")
    assert [row["name"] for row in memory.status()] == ["in"]


def test_nothing_can_be_done_while_it_is_not_allowed(make_object: Make) -> None:
    memory = SharedMemory()
    key = make_object(size=64)
    off = (
        Unsupported,
        "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.",
    )
    assert refused(memory.register, "in", key, 0, 64) == off
    assert refused(memory.register_cuda, "in") == off
    assert refused(memory.unregister) == refused(memory.unregister, "in") == off
    assert refused(memory.unregister_cuda) == refused(memory.unregister_cuda, "in") == off
    assert refused(memory.read, "in", 0, 1) == refused(memory.reserve, "in", 0, 1) == off
    assert memory.status() == memory.status_cuda() == []


def test_regions_cannot_use_up_the_descriptors(make_object: Make, count_mappings: Count) -> None:
    memory = SharedMemory(is_allowed=True, most_regions=2)
    key = make_object(size=8)
    memory.register("a", key, 0, 8)
    memory.register("b", key, 0, 8)
    assert refused(memory.register, "c", key, 0, 8)[0] is Overloaded
    memory.unregister("a")
    memory.register("c", key, 0, 8)
    assert count_mappings(key) == (2, 4)
    memory.close()
    assert count_mappings(key) == (0, 0)


def test_a_name_is_free_at_once(memory: SharedMemory, make_object: Make) -> None:
    """Though a request still holds what had it before."""
    before, after = make_object(b"before"), make_object(b"after!")
    memory.register("n", before, 0, 6)
    view, place = memory.read("n", 0, 6), memory.reserve("n", 0, 6)
    memory.unregister("n")
    memory.register("n", after, 0, 6)
    assert (bytes(view), bytes(memory.read("n", 0, 6))) == (b"before", b"after!")
    place.write(memoryview(b"BEFORE"))
    assert (bytes(view), bytes(memory.read("n", 0, 6))) == (b"BEFORE", b"after!")
