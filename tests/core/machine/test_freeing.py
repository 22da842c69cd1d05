"""Long arrays of strings are freed in pieces, in a thread, and never while somebody can still see them."""

from __future__ import annotations

import threading
import weakref

import numpy as np

from naiad.core.machine import freeing
from naiad.core.tensor import bytes_tensor


class Kept:
    """Something in an array that tells when it is gone."""


def array_of(kept: Kept, count: int = 5) -> np.ndarray:
    data = np.empty(count, np.object_)
    data[:] = [kept] * count
    return data


def wait_for_thread() -> None:
    for thread in threading.enumerate():
        if thread.name == "freeing":
            thread.join(20)


def test_what_nobody_sees_any_more_is_emptied_in_a_thread(monkeypatch) -> None:
    emptied: list[threading.Thread] = []
    empty = freeing._empty
    monkeypatch.setattr(freeing, "_empty", lambda flat: (emptied.append(threading.current_thread()), empty(flat)))
    kept = Kept()
    left = weakref.ref(kept)
    data = freeing.freed_in_pieces(array_of(kept).reshape(5, 1))
    assert (data.shape, data[0, 0]) == ((5, 1), kept)
    del kept, data
    wait_for_thread()
    assert left() is None
    assert [thread.name for thread in emptied] == ["freeing"]


def test_a_view_that_outlives_it_keeps_what_is_in_it() -> None:
    kept = Kept()
    data = freeing.freed_in_pieces(array_of(kept))
    other = data.reshape(-1)[1:3]
    del data
    wait_for_thread()
    assert other.tolist() == [kept, kept]


def test_a_long_tensor_of_strings_is_such_an_array() -> None:
    values = [b"%d" % at for at in range(100_000)]
    tensor = bytes_tensor("x", values, (10, 10_000))
    assert tensor.data.tolist()[9][-1] == b"99999"
    view = tensor.data.reshape(-1)[-1:]
    del tensor
    wait_for_thread()
    assert view.tolist() == [b"99999"]
