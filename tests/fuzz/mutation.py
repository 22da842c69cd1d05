"""Examples, a little wrong: bytes changed, cut out, doubled, put in, spliced with other examples."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

WORDS = (
    b"\0", b"\xff", b"\x80", b"\r\n", b"\r\n\r\n", b":", b",", b"[", b"]", b"{", b"}", b'"', b"\\", b"-1", b"0",
    b"1e309", b"9223372036854775807", b"18446744073709551616", b"null", b"true", b"NaN", b"\xed\xa0\x80",
    b"\xff\xff\xff\xff\x0f",
    b"chunked", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
)  # fmt: skip


def mutate(data: bytes, others: Sequence[bytes], choose: random.Random) -> bytes:
    """Return `data` with one thing wrong."""
    at = choose.randrange(len(data) + 1)
    size = min(choose.choice((1, 1, 2, 4, 16, 64)), len(data) - at)
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: data[:at] + bytes(choose.randrange(256) for _ in range(size)) + data[at + size :],
        lambda: data[:at] + data[at + size :],
        lambda: data[:at] + data[at : at + size] * choose.randrange(2, 5) + data[at + size :],
        lambda: data[:at] + choose.choice(WORDS) + data[at:],
        lambda: data[:at] + choose.choice(WORDS) + data[at + size :],
        lambda: data[:at] + choose.choice(others)[choose.randrange(8) :],
        lambda: data[:at],
    )
    return choose.choice(ways)()


def mutated_by(seed: int, examples: Sequence[bytes]) -> bytes:
    """Return an example with some things wrong; the same for the same seed."""
    choose = random.Random(seed)
    data = choose.choice(examples)
    for _ in range(choose.choice((1, 1, 2, 3, 8))):
        data = mutate(data, examples, choose)
    return data[:4096]


def mutated(examples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """The strategy of such examples."""
    return st.integers(0, 2**32).map(lambda seed: mutated_by(seed, examples))
