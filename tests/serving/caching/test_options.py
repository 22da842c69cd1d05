"""`--cache-config`: Triton's words, and a sentence for everything that cannot be meant."""

from __future__ import annotations

from math import inf

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.serving.caching.options import (
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    CacheOptions,
    LocalOptions,
    RedisOptions,
    read_cache_config,
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        (("local,size=1048576",), LocalOptions(1048576, inf)),
        (("local,size=1", "local,size=2"), LocalOptions(2, inf)),
        (("local,ttl=0.5", "local,size=10"), LocalOptions(10, 0.5)),
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
        ("memcached,host=localhost", "no cache 'memcached' here; there are local, in the server's own memory"),
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


def redis(*settings: str, **variables: str) -> RedisOptions:
    options = read_cache_config([f"redis,{setting}" for setting in settings], variables)
    assert isinstance(options, RedisOptions)
    return options


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("host=cache",), RedisOptions("cache")),
        (("host=a", "port=1", "db=2", "user=u", "password=p"), RedisOptions("a", 1, "u", "p", 2)),
        (
            ("host=a", "connect_timeout=10", "socket_timeout=20", "wait_timeout=30", "pool_size=4"),
            RedisOptions("a", connect_timeout_s=0.01, socket_timeout_s=0.02, wait_timeout_s=0.03, pool_size=4),
        ),
        (("host=a", "ttl=1.5", "entry_size=10"), RedisOptions("a", ttl_s=1.5, entry_bytes=10)),
        (("host=a", "tls=true"), RedisOptions("a", tls=True)),
        (("host=a", "cacert=f", "sni=b"), RedisOptions("a", tls=True, cacert="f", sni="b")),
        (("host=a", "cert=c", "key=k", "cacert_dir=d"), RedisOptions("a", tls=True, cert="c", key="k", cacert_dir="d")),
    ],
)
def test_settings_of_redis_are_read(settings: tuple[str, ...], expected: RedisOptions) -> None:
    assert redis(*settings) == expected


def test_user_and_password_may_come_from_tritons_variables() -> None:
    variables = {USER_VARIABLE: "u", PASSWORD_VARIABLE: "p"}
    assert redis("host=a", **variables) == RedisOptions("a", user="u", password="p")
    assert redis("host=a", "user=v", "password=q", **variables) == RedisOptions("a", user="v", password="q")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["redis,port=1"], "needs a host, too: redis,host=NAME"),
        (["redis,host=a", "redis,size=5"], "redis: unknown setting 'size'; known: host, port, user"),
        (["redis,host=a", "redis,port=0"], "redis,port=0: must be a whole number, from 1 to 65535"),
        (["redis,host=a", "redis,db=-1"], "redis,db=-1: must be a whole number"),
        (["redis,host=a", "redis,socket_timeout=0"], "redis,socket_timeout=0: must be a whole number of milliseconds"),
        (["redis,host=a", "redis,entry_size=99999999"], "redis,entry_size=99999999: .* from 1 to 16777216"),
        (["redis,host=a", "redis,tls=yes"], "redis,tls=yes: must be true or false"),
        (["redis,host=a", "redis,tls=false", "redis,cacert=f"], "redis,tls=false and redis,cacert contradict"),
        (["redis,host=a", "redis,key=k"], "give redis,cert=FILE, too"),
        (["redis,host=a", "redis,ttl=0"], "redis,ttl=0: must be a number of seconds above 0"),
        (["redis,host=a", "local,size=5"], "names redis and local; a server has one cache"),
    ],
)
def test_what_cannot_be_meant_of_redis_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        read_cache_config(lines)


@pytest.mark.parametrize(
    "line", ["redis,password:hunter2", "redis,Password hunter2", "redi,password=hunter2", "redis,passwort=hunter2"]
)
def test_no_password_is_repeated(line: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read_cache_config([line])
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(redis("host=a", "password=hunter2"))
