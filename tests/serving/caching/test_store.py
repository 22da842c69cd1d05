"""What is kept: copies that nobody can change, within their bytes, the least recently used goes first."""

from __future__ import annotations

import gc
import tracemalloc
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import Failed
from naiad.core.message import InferResponse
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.serving.caching.answer import LARGEST_BYTES, MOST_STRINGS, KeptAnswer, keep, size_of
from naiad.serving.caching.store import ResponseCache
from naiad.testing import ManualClock


def answer(size_bytes: int) -> KeptAnswer:
    return KeptAnswer("m", (), {}, 0, size_bytes)


def response(*outputs: Tensor) -> InferResponse:
    return InferResponse("m", "1", list(outputs), "id", {"truncated": 1}, tokens=7)


def kept(*outputs: Tensor) -> KeptAnswer:
    made = response(*outputs)
    return keep(made, size_of(made))


def test_an_answer_comes_back_without_what_belonged_to_its_request() -> None:
    again = kept(Tensor("y", "FP32", np.array([[1, 2]], np.float32)), bytes_tensor("s", [b"a"])).response()
    assert (again.model_name, again.id, again.parameters, again.tokens) == ("m", "", {"truncated": 1}, 7)
    assert [(one.name, one.datatype, one.data.tolist()) for one in again.outputs] == [
        ("y", "FP32", [[1.0, 2.0]]),
        ("s", "BYTES", [b"a"]),
    ]


def test_nobody_can_change_what_is_kept() -> None:
    data, strings = np.zeros(3, np.float32), np.array([b"a"], object)
    one = kept(Tensor("y", "FP32", data), Tensor("s", "BYTES", strings))
    data[0], strings[0] = 1, b"b"
    first = one.response()
    for tensor in first.outputs:
        with pytest.raises(ValueError, match="read-only"):
            tensor.data[0] = 0
    first.outputs[0] = first.outputs[1]
    first.outputs[1].data = np.zeros(1)
    first.parameters.clear()
    again = one.response()
    assert [tensor.data.tolist() for tensor in again.outputs] == [[0, 0, 0], [b"a"]]
    assert again.parameters == {"truncated": 1}


@pytest.mark.parametrize(
    "data",
    [
        np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.arange(12, dtype=np.int32).reshape(2, 6)[:, ::2],
        np.zeros((0, 4), np.int32),
        np.array(5, np.int32),
    ],
)
def test_answers_of_any_layout_come_back_equal(data: np.ndarray) -> None:
    again = kept(Tensor("y", "INT32", data)).response().outputs[0].data
    assert (again.tolist(), again.shape, again.dtype) == (data.tolist(), data.shape, np.int32)


def test_outputs_that_are_not_of_their_datatype_cannot_be_kept() -> None:
    with pytest.raises(Failed):
        kept(Tensor("y", "INT32", np.zeros(1)))
    with pytest.raises(Failed):
        kept(Tensor("y", "BYTES", np.array([None])))


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("y", "FP32", np.zeros(1, np.float32)),
        Tensor("y", "FP32", np.zeros(384, np.float32)),
        bytes_tensor("y", [b"x"]),
        bytes_tensor("y", [b"label number one"] * 5),
    ],
)
def test_the_bytes_that_are_counted_are_those_that_are_held(tensor: Tensor) -> None:
    """At least; and not twice as many."""
    cache, keys = ResponseCache(2**40), set[bytes]()

    def fill(begin: int) -> None:
        for number in range(begin, begin + 2000):
            data = tensor.data.copy()
            if tensor.datatype == "BYTES":
                data[...] = [bytes(bytearray(value)) for value in data]
            made = response(Tensor("y", tensor.datatype, data))
            cache.insert(number.to_bytes(32, "big"), keep(made, size_of(made)), keys)

    fill(0)
    gc.collect()
    tracemalloc.start()
    counted, held = cache.statistics.used_bytes, tracemalloc.get_traced_memory()[0]
    fill(2000)
    gc.collect()
    counted, held = cache.statistics.used_bytes - counted, tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    assert held <= counted <= 2 * held


def test_the_least_recently_used_goes_first() -> None:
    cache, keys = ResponseCache(100), set[bytes]()
    for key in (b"a", b"b", b"c"):
        cache.insert(key, answer(30), keys)
    assert cache.find(b"a") is not None
    cache.insert(b"d", answer(60), keys)
    assert keys == {b"a", b"d"}
    assert [cache.find(key) is not None for key in (b"a", b"b", b"c", b"d")] == [True, False, False, True]
    found = cache.statistics
    assert (found.used_bytes, found.entries, found.evictions, found.hits, found.misses) == (90, 2, 2, 3, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 100)), max_size=60))
def test_there_are_never_more_bytes_than_allowed(inserted: list[tuple[int, int]]) -> None:
    cache = ResponseCache(100)
    keys: list[set[bytes]] = [set(), set()]
    sizes: dict[bytes, int] = {}
    for number, size in inserted:
        key = b"%d" % number
        if cache.find(key) is None:
            sizes[key] = size
        cache.insert(key, answer(size), keys[number % 2])
        there = keys[0] | keys[1]
        assert cache.statistics.used_bytes == sum(sizes[one] for one in there) <= 100
        assert cache.statistics.entries == len(there)
        assert key in there
    for some in keys:
        cache.forget(some, 100)
    assert (cache.statistics.used_bytes, cache.statistics.entries) == (0, 0)


def test_the_first_of_two_equal_answers_stays() -> None:
    cache, first = ResponseCache(100), answer(10)
    cache.insert(b"a", first, set())
    cache.insert(b"a", answer(20), set())
    assert cache.find(b"a") is first
    assert cache.statistics.used_bytes == 10


def test_an_answer_grows_too_old() -> None:
    clock, keys = ManualClock(), set[bytes]()
    cache = ResponseCache(100, 5.0, clock)
    cache.insert(b"a", answer(10), keys)
    clock.advance(4.9)
    assert cache.find(b"a") is not None
    clock.advance(0.1)
    assert cache.find(b"a") is None
    assert (keys, cache.statistics.used_bytes, cache.statistics.evictions) == (set(), 0, 1)


def test_what_is_too_large_or_too_many_is_not_kept() -> None:
    cache = ResponseCache(1000)
    assert cache.can_hold(1000)
    assert not cache.can_hold(1001)
    assert not ResponseCache(2**40).can_hold(LARGEST_BYTES + 1)
    assert size_of(response(bytes_tensor("y", [b""] * (MOST_STRINGS + 1)))) == inf
