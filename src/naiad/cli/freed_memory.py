"""What the C library does with memory that was freed: keeps some, so that the next large tensor need not ask for it.

glibc gives large blocks back to the kernel at once. A server that moves tensors of some hundred kilobytes then pays for
every one of them with a fault for each page and the zeroing of it: images of 600 kB over gRPC, eight at a time, took
580-700 µs of processor time each, and 390-430 with this; over HTTP 410-530 and 370-450. Other C libraries are left as
they are.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's parameters (mallopt(3))."""
_KEPT_BYTES = 64 * 1024 * 1024
"""Free memory at the end of the heap that is not given back."""
_OWN_BLOCK_BYTES = 16 * 1024 * 1024
"""From here on a block is mapped for itself, and given back when it is freed."""


def keep_freed_memory() -> bool:
    """Set it for this process, once the models are loaded; returns whether the C library can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((_TRIM_THRESHOLD, _KEPT_BYTES), (_MMAP_THRESHOLD, _OWN_BLOCK_BYTES))
    return all(mallopt(parameter, value) for parameter, value in wanted)
