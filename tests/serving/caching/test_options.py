"""`--cache-config`: Triton's words, and a sentence for everything that cannot be meant."""

from __future__ import annotations

from math import inf

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.serving.caching.options import CacheOptions, read_cache_config


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        (("local,size=1048576",), CacheOptions(1048576, inf)),
        (("local,size=1", "local,size=2"), CacheOptions(2, inf)),
        (("local,ttl=0.5", "local,size=10"), CacheOptions(10, 0.5)),
    ],
)
def test_settings_are_read(lines: tuple[str, ...], expected: CacheOptions | None) -> None:
    assert read_cache_config(lines) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("local", "option format is '<cache name>,<setting>=<value>'. Got local"),
        ("local,size", "option format"),
        ("local,size=", "option format"),
        (",size=1", "option format"),
        ("size=1", "option format"),
        ("redis,host=localhost", "no cache 'redis' here; the only one is 'local'"),
        ("local,room=1", "unknown setting 'room'; known: size, ttl"),
        ("local,ttl=5", "needs a size"),
        ("local,size=0", "at least 1"),
        ("local,size=-5", "at least 1"),
        ("local,size=1e6", "whole number of bytes"),
        ("local,size=" + "9" * 30, "whole number of bytes"),
        ("local,size=٣", "whole number of bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused(line: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        read_cache_config([line])


@pytest.mark.parametrize("ttl", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_to_live_is_a_number_of_seconds(ttl: str) -> None:
    with pytest.raises(InvalidConfiguration, match="number of seconds above 0"):
        read_cache_config(["local,size=1", f"local,ttl={ttl}"])
