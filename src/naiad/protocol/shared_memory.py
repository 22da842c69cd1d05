"""What a request that points into shared memory is answered."""

from __future__ import annotations

from naiad.core.errors import Unsupported


def no_shared_memory() -> Unsupported:
    """Return the error; its first sentence is Triton's without `--allow-client-shm`."""
    return Unsupported(
        "Client shared memory is disabled. This server does not offer it yet; send and take the data itself."
    )
