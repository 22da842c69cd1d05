"""What `--cache-config` says: which cache there is, how large it is, and how long it keeps an answer.

    local,size=1048576  local,ttl=60

The words are Triton's, but for `ttl`; an unknown cache, setting or value is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite

from naiad.core.errors import InvalidConfiguration

LOCAL = "local"
_SETTINGS = ("size", "ttl")


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """A cache in the server's own memory."""

    size_bytes: int
    ttl_s: float = inf
    """How long an answer may be given again."""


def read_cache_config(lines: Iterable[str]) -> CacheOptions | None:
    """Read the values of `--cache-config`, each CACHE,SETTING=VALUE; the last one of a setting counts.

    None: there are none, and no cache. Raises InvalidConfiguration.
    """
    found: dict[str, str] = {}
    lines = tuple(lines)
    for line in lines:
        cache, comma, rest = line.partition(",")
        name, equals, value = rest.partition("=")
        if not (cache and comma and name and equals and value):
            raise InvalidConfiguration(f"--cache-config option format is '<cache name>,<setting>=<value>'. Got {line}")
        if cache != LOCAL:
            raise InvalidConfiguration(
                f"--cache-config '{line}': there is no cache '{cache}' here; the only one is '{LOCAL}', in the "
                f"server's own memory: --cache-config {LOCAL},size=BYTES"
            )
        if name not in _SETTINGS:
            raise InvalidConfiguration(
                f"--cache-config '{line}': unknown setting '{name}'; known: {', '.join(_SETTINGS)}"
            )
        found[name] = value
    if not lines:
        return None
    if "size" not in found:
        raise InvalidConfiguration(f"--cache-config needs a size in bytes, too: {LOCAL},size=BYTES")
    return CacheOptions(_size(found["size"]), _seconds(found["ttl"]) if "ttl" in found else inf)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text)):
        raise InvalidConfiguration(f"--cache-config {LOCAL},size={text}: must be a whole number of bytes, at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and seconds > 0):
        raise InvalidConfiguration(f"--cache-config {LOCAL},ttl={text}: must be a number of seconds above 0")
    return seconds
