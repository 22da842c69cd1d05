"""A Redis server as the place of shared answers. The only file that imports the redis library, and knows its errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from naiad.core.errors import InvalidConfiguration
from naiad.serving.caching.options import RedisOptions
from naiad.serving.caching.shared.server import Refused, Unreachable

Value = TypeVar("Value")


class RedisServer:
    """See `AnswerServer`."""

    def __init__(self, options: RedisOptions) -> None:
        """Connect to nothing yet. Raises InvalidConfiguration where the library is missing, or a file of TLS."""
        try:
            import redis.asyncio as library
            from redis import exceptions
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise InvalidConfiguration(
                "--cache-config redis needs the library redis: pip install naiad[redis]"
            ) from error
        self.address = options.address
        self._errors = exceptions
        self._limit_s = options.connect_timeout_s + options.socket_timeout_s
        """Of one call; a new connection may be needed for it."""
        kind: type[Any] = library.SSLConnection if options.tls else library.Connection
        settings: dict[str, Any] = {
            "host": options.host,
            "port": options.port,
            "db": options.db,
            "username": options.user,
            "password": options.password,
            "socket_connect_timeout": options.connect_timeout_s,
            "socket_timeout": options.socket_timeout_s,
            "protocol": 2,
            "driver_info": None,  # or each new connection would begin with two more commands
            "retry": library.retry.Retry(NoBackoff(), 0),
        }
        if options.tls:
            settings |= {
                "ssl_certfile": options.cert,
                "ssl_keyfile": options.key or options.cert,
                "ssl_ca_certs": options.cacert,
                "ssl_ca_path": options.cacert_dir,
            }
            _check_files(kind, settings)
            if options.sni is not None:
                kind = _named(kind, options.sni)
        # As many as calls that may be under way: those of the cache's connections, one that puts, one that tries.
        pool = library.ConnectionPool(connection_class=kind, max_connections=options.pool_size + 2, **settings)
        self._client: Any = library.Redis.from_pool(pool)

    async def reach(self) -> None:
        """See `AnswerServer.reach`."""
        await self._call(self._client.ping())

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """See `AnswerServer.get`."""
        found: Sequence[bytes | None] = await self._call(self._client.mget(keys))
        return found

    async def put(self, entries: Sequence[tuple[bytes, bytes]], ttl_s: float) -> None:
        """See `AnswerServer.put`."""
        pipeline = self._client.pipeline(transaction=False)
        for key, value in entries:
            pipeline.set(key, value, px=max(1, round(ttl_s * 1000)))
        for outcome in await self._call(pipeline.execute(raise_on_error=False)):
            if isinstance(outcome, Exception):
                raise Refused(str(outcome)) from outcome

    async def close(self) -> None:
        """See `AnswerServer.close`."""
        with contextlib.suppress(self._errors.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._limit_s):
                await self._client.aclose()

    async def _call(self, call: Awaitable[Value]) -> Value:
        """Wait for a call, and say in our words what went wrong."""
        errors = self._errors
        try:
            async with asyncio.timeout(self._limit_s):
                return await call
        except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError) as error:
            raise Unreachable(f"{str(error).rstrip('.')}; check redis,user and redis,password") from error
        except (TimeoutError, errors.TimeoutError) as error:
            raise Unreachable(f"no answer within {self._limit_s * 1000:g} ms") from error
        except (errors.ConnectionError, OSError) as error:
            raise Unreachable(str(error).rstrip(".")) from error
        except errors.ResponseError as error:
            raise Refused(str(error)) from error
        except errors.RedisError as error:
            raise Unreachable(str(error).rstrip(".")) from error


def _check_files(kind: type[Any], settings: dict[str, Any]) -> None:
    """Read the certificates once at the start, where a mistake can be told. Raises InvalidConfiguration."""
    try:
        kind(**settings).ssl_context.get()
    except OSError as error:  # ssl.SSLError is one
        raise InvalidConfiguration(
            f"--cache-config redis: the files of TLS (cert, key, cacert, cacert_dir) cannot be used: {error}"
        ) from error


def _named(kind: type[Any], name: str) -> type[Any]:
    """A connection that asks for, and expects, a certificate of another name than the host's."""

    class NamedConnection(kind):  # type: ignore[misc]
        def _connection_arguments(self) -> dict[str, Any]:
            return {**super()._connection_arguments(), "server_hostname": name}

    return NamedConnection
