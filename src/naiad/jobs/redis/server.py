"""The way to the Redis server that keeps jobs: scripts in, answers out, its errors in our words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any
from urllib.parse import urlsplit

from naiad.core.errors import InvalidConfiguration, NaiadError, NotReady, Overloaded
from naiad.jobs.redis.scripts import PREFIX, SCRIPTS

SCHEMES = ("redis", "rediss")

_CONNECT_S, _ANSWER_S = 5.0, 10.0
_CONNECTIONS = 16

_log = logging.getLogger("naiad.jobs")


class Server:
    """One Redis server; used on the event loop's thread."""

    def __init__(self, url: str) -> None:
        """url: redis://… or rediss://…. Raises InvalidConfiguration, whose message holds no password."""
        self.address = _address(url)
        try:
            import redis.asyncio as library
            from redis import exceptions
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise InvalidConfiguration("--jobs redis:// needs the library redis: pip install naiad[redis]") from error
        self._errors = exceptions
        try:
            pool = library.BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=_ANSWER_S,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_ANSWER_S,
                protocol=2,
                retry=library.retry.Retry(NoBackoff(), 1),  # a connection that Redis has closed meanwhile
            )
        except (ValueError, TypeError) as error:
            raise InvalidConfiguration(f"--jobs redis://{self.address}: cannot be used: {error}") from error
        self._client: Any = library.Redis.from_pool(pool)
        self._scripts = {name: self._client.register_script(text) for name, text in SCRIPTS.items()}

    async def open(self) -> None:
        """Try it, and warn of settings that lose jobs. Raises InvalidConfiguration where it does not answer."""
        try:
            facts = await self._call(self._client.info())
        except NaiadError as error:
            raise InvalidConfiguration(f"--jobs redis://{self.address}: {error.message}") from error
        if not facts.get("aof_enabled"):
            _log.warning(
                "Redis at %s writes no append-only file: jobs are lost when it ends; set appendonly yes", self.address
            )
        if facts.get("maxmemory") and facts.get("maxmemory_policy") != "noeviction":
            _log.warning(
                "Redis at %s drops what it likes when it is full, jobs too; set maxmemory-policy noeviction",
                self.address,
            )

    async def run(self, script: str, *arguments: bytes | str | float) -> Any:
        """Run a script. Raises Overloaded where Redis is full, NotReady where it does not answer or refuses."""
        return await self._call(self._scripts[script](keys=[PREFIX], args=arguments))

    async def fields(self, job_id: str, names: tuple[str, ...]) -> list[bytes | None]:
        """Return fields of a job. Raises as `run`."""
        found: list[bytes | None] = await self._call(self._client.hmget(f"{PREFIX}job:{job_id}", names))
        return found

    async def close(self) -> None:
        """Let go of all connections."""
        with contextlib.suppress(self._errors.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                await self._client.aclose()

    async def _call(self, call: Any) -> Any:
        errors = self._errors
        where = f"jobs cannot be kept now: Redis at {self.address}"
        try:
            return await call
        except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError) as error:
            raise NotReady(f"{where} does not let this server in: {error}") from error
        except (TimeoutError, errors.TimeoutError) as error:
            raise NotReady(f"{where} does not answer in time") from error
        except (errors.ConnectionError, OSError) as error:
            raise NotReady(f"{where} does not answer: {error}") from error
        except errors.RedisError as error:
            if "OOM" in str(error):
                raise Overloaded(f"{where} is full; try again later") from error
            raise NotReady(f"{where} refuses: {error}") from error


def _address(url: str) -> str:
    """host:port for people. Raises InvalidConfiguration; what may hold a password is not repeated."""
    parts = urlsplit(url)
    try:
        port, host = parts.port or 6379, parts.hostname
    except ValueError:
        host = None
    if not host or parts.path.strip("/") not in ("", *map(str, range(10_000))) or parts.fragment or parts.query:
        raise InvalidConfiguration("--jobs: write a Redis server as redis://[USER:PASSWORD@]HOST[:PORT][/DB]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
