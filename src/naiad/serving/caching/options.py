"""What `--cache-config` says: which cache there is, how large it is, and how long it keeps an answer.

    local,size=1048576  local,ttl=60  redis,host=cache.example  redis,port=6379

The words are Triton's, but for `ttl`, `tls` and `entry_size`; an unknown cache, setting or value is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite

from naiad.core.errors import InvalidConfiguration
from naiad.serving.caching.answer import LARGEST_BYTES

USER_VARIABLE, PASSWORD_VARIABLE = "TRITONCACHE_REDIS_USERNAME", "TRITONCACHE_REDIS_PASSWORD"
"""Triton's: for who does not want a password on the command line, which counts before them."""

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """A cache in the server's own memory."""

    size_bytes: int
    ttl_s: float = inf
    """How long an answer may be given again."""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """A cache in a Redis server, shared by everybody who uses it."""

    host: str
    port: int = 6379
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    connect_timeout_s: float = 0.1
    socket_timeout_s: float = 0.1
    """How long an answer of the Redis server may take."""
    wait_timeout_s: float = 0.1
    """How long a request waits for a connection that is free."""
    pool_size: int = 1
    """Connections that look up answers; one more brings them there."""
    tls: bool = False
    cert: str | None = None
    key: str | None = None
    cacert: str | None = None
    cacert_dir: str | None = None
    sni: str | None = None
    """Name that the certificate is for, where it is not the host."""
    ttl_s: float = DAY_S
    """How long an answer may be given again; also how long one stays that nobody can ask for any more."""
    entry_bytes: int = 1024 * 1024
    """The largest answer that is kept."""

    @property
    def address(self) -> str:
        """For people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


CacheOptions = LocalOptions | RedisOptions


def read_cache_config(lines: Iterable[str], environment: Mapping[str, str] = os.environ) -> CacheOptions | None:
    """Read the values of `--cache-config`, each CACHE,SETTING=VALUE; the last one of a setting counts.

    None: there are none, and no cache. environment: the variables. Raises InvalidConfiguration.
    """
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        cache, comma, rest = line.partition(",")
        name, equals, value = rest.partition("=")
        if not (cache and comma and name and equals and value):
            raise InvalidConfiguration(
                f"--cache-config option format is '<cache name>,<setting>=<value>'. Got {_shown(line)}"
            )
        if cache not in _CACHES:
            raise InvalidConfiguration(
                f"--cache-config '{_shown(line)}': there is no cache '{cache}' here; there are local, in the server's "
                "own memory (local,size=BYTES), and redis, in a Redis server (redis,host=NAME)"
            )
        if name not in _CACHES[cache][0]:
            raise InvalidConfiguration(
                f"--cache-config {cache}: unknown setting '{name}'; known: {', '.join(_CACHES[cache][0])}"
            )
        found.setdefault(cache, {})[name] = value
    if not found:
        return None
    if len(found) > 1:
        raise InvalidConfiguration(f"--cache-config names {' and '.join(found)}; a server has one cache: choose one")
    ((cache, values),) = found.items()
    return _CACHES[cache][1](values, environment)


def _local(values: Mapping[str, str], environment: Mapping[str, str]) -> CacheOptions:  # noqa: ARG001 - needs none
    if "size" not in values:
        raise InvalidConfiguration("--cache-config needs a size in bytes, too: local,size=BYTES")
    ttl_s = _seconds("local,ttl", values["ttl"]) if "ttl" in values else inf
    return LocalOptions(_whole("local,size", values["size"], "bytes"), ttl_s)


def _redis(values: Mapping[str, str], environment: Mapping[str, str]) -> CacheOptions:
    if "host" not in values:
        raise InvalidConfiguration("--cache-config needs a host, too: redis,host=NAME")
    texts = {name: values[name] for name in ("host", "cert", "key", "cacert", "cacert_dir", "sni") if name in values}
    numbers = {
        name: _whole(f"redis,{name}", values[name], what, least=least, most=most)
        for name, what, least, most in (
            ("port", "", 1, 65_535),
            ("db", "", 0, 2**31 - 1),
            ("pool_size", "connections", 1, 64),
        )
        if name in values
    }
    times = {
        f"{name}_s": _whole(f"redis,{name}", values[name], "milliseconds") / 1000
        for name in ("connect_timeout", "socket_timeout", "wait_timeout")
        if name in values
    }
    if "key" in texts and "cert" not in texts:
        raise InvalidConfiguration("--cache-config redis,key is the key of a certificate: give redis,cert=FILE, too")
    tls = _flag("redis,tls", values["tls"]) if "tls" in values else len(texts) > 1
    if not tls and len(texts) > 1:
        raise InvalidConfiguration(f"--cache-config redis,tls=false and redis,{[*texts][1]} contradict each other")
    if "ttl" in values:
        times["ttl_s"] = _seconds("redis,ttl", values["ttl"])
    if "entry_size" in values:
        numbers["entry_bytes"] = _whole("redis,entry_size", values["entry_size"], "bytes", most=LARGEST_BYTES)
    user = values.get("user") or environment.get(USER_VARIABLE) or None
    password = values.get("password") or environment.get(PASSWORD_VARIABLE) or None
    return RedisOptions(**texts, **numbers, **times, user=user, password=password, tls=tls)  # type: ignore[arg-type]


_REDIS_SETTINGS = (
    *("host", "port", "user", "password", "db", "connect_timeout", "socket_timeout", "wait_timeout", "pool_size"),
    *("tls", "cert", "key", "cacert", "cacert_dir", "sni", "ttl", "entry_size"),
)

_CACHES: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, str], Mapping[str, str]], CacheOptions]]] = {
    "local": (("size", "ttl"), _local),
    "redis": (_REDIS_SETTINGS, _redis),
}
"""By name: the settings there are, and what reads them."""


def _shown(line: str) -> str:
    """A line without what may be a password."""
    return re.sub(r"(?i)(pass\w*).+", r"\1…", line)


def _whole(setting: str, text: str, what: str, *, least: int = 1, most: int = 10**18) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        kind = f"a whole number of {what}" if what else "a whole number"
        bound = f"at least {least}" if most == 10**18 else f"from {least} to {most}"
        raise InvalidConfiguration(f"--cache-config {setting}={text}: must be {kind}, {bound}")
    return int(text)


def _seconds(setting: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and seconds >= 0.001):
        raise InvalidConfiguration(f"--cache-config {setting}={text}: must be a number of seconds above 0")
    return seconds


def _flag(setting: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise InvalidConfiguration(f"--cache-config {setting}={text}: must be true or false")
    return text.lower() == "true"
