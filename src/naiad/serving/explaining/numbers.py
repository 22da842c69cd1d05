"""Numbers as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`85 µs`, `10.4 ms`, `1.2 s`."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 0.001:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.0f} µs"


def number(value: float) -> str:
    """`1,240`, `7.3`, `8`, `0.04`."""
    if value >= 100:
        return f"{value:,.0f}"
    if 0 < value < 0.1:
        return f"{value:.1g}"
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def share(value: float) -> str:
    """`93 %`."""
    return f"{value * 100:.0f} %"


def counted(value: float, one: str, many: str) -> str:
    """`one row`, `7.3 rows`."""
    return f"one {one}" if number(value) == "1" else f"{number(value)} {many}"
