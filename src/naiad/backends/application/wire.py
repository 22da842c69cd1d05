"""Messages between the server and the worker of an application; packets are those of `backends/python/worker/wire.py`.

| kind       | way, socket     | header                                                                               |
|------------|-----------------|--------------------------------------------------------------------------------------|
| `LOAD`     | to worker, run  | `path`, `name`, `threads`, `workers`, `index`. Reply: `DONE` with `facts`, `FAILED`   |
| `FINALIZE` | to worker, run  | nothing. Reply: `DONE`, and the worker ends                                          |
| `REQUEST`  | to worker, run  | `k`: its number; `w`: the request; `t`: its body                                     |
| `PART`     | to server, side | `k`; `s`, `h`: status, headers, of the first; `t`: data; `f`: is it the last |
| `TAKEN`    | to worker, side | `k`; `n`: so many bytes of the response have left                                    |
| `LEFT`     | to worker, side | `k`: the client of that request has gone                                             |
| `CALL`     | to server, side | `c`: call; `fn`: function; `r`: rows; `g`: group; `t`: arguments                     |
| `BATCH`    | to worker, run  | `k`: number; `fn`: function; `c`: arguments of each call                             |
| `OUTCOMES` | to server, side | `k`; `c`: outcome of each call; `b`, `e`: when it began and ended                    |
| `RESULT`   | to worker, side | `c`; `t`: outcome; `e`: error of ours, as its code and message                       |
| `UNWANTED` | to server, side | `c`: nobody waits for that call any more                                             |

A request is `[method, target, scheme, client, server, is HTTP/1.0, headers]`; text is latin-1. With `cut` in place of
data, a response ends before its end. Data, arguments and outcomes are tensors of bytes (`tensors.py`), so that long
ones cross in shared memory. Arguments and outcomes are pickled by workers for workers; the server looks at none of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from naiad.backends.python.worker.tensors import Packed, Unpacked
from naiad.backends.python.worker.wire import DONE, FAILED, FINALIZE, LOAD, LOG, Garbled, Message

__all__ = [
    "BATCH",
    "CALL",
    "DONE",
    "FAILED",
    "FINALIZE",
    "LEFT",
    "LOAD",
    "LOG",
    "OUTCOMES",
    "PART",
    "REQUEST",
    "RESULT",
    "TAKEN",
    "UNWANTED",
    "Garbled",
    "Message",
    "data_of",
    "pack_data",
]

REQUEST, PART, TAKEN, LEFT, CALL, BATCH, OUTCOMES, RESULT, UNWANTED = range(64, 73)

Row = list[Any]


def pack_data(packed: Packed, data: bytes | memoryview) -> Row | None:
    """Put bytes into a message; None where there are none."""
    return packed.add("", "UINT8", np.frombuffer(data, np.uint8)) if len(data) else None


def data_of(unpacked: Unpacked, row: Row | None) -> bytes:
    """Return bytes that came in a message, as bytes of their own. Raises Garbled."""
    if row is None:
        return b""
    data: bytes = unpacked.array(row).tobytes()
    return data
