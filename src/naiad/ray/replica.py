"""One replica: a server without ports, which answers what Ray's proxies hand over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from naiad.core.errors import InvalidConfiguration, NaiadError, NotReady
from naiad.core.settings.config import ServerSettings
from naiad.ray.grpc_service import SERVICES, STREAMS, Written, metadata_of, set_status
from naiad.server.aio import AsyncServer, Source
from naiad.wire.grpc.in_process import CallFailed

SOURCES = ("models", "manifest")
"""Keys of `user_config`."""

REFUSED = {
    "model_control_mode": "a load over the network would reach one replica; change `user_config`, which reaches all",
    "allow_client_shm": "a client and its replica may be on different machines",
    "allow_setting_changes": "a change over the network would reach one replica; set it in `options`",
}
"""Options that mean nothing where a client does not know which replica answers, and why."""

ALLOWED_MODES = ("none", "poll")
"""Of model_control_mode."""


class Replica:
    """Serves a manifest, or models by name. All methods run on one event loop, the one on which it was started."""

    def __init__(
        self,
        models: Sequence[Source] = (),
        manifest: str | None = None,
        lock: str | None = None,
        offline: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what to serve; see `AsyncServer`. Raises InvalidConfiguration."""
        self._models = models
        self._manifest = manifest
        self._lock = lock
        self._is_offline = offline
        self._options = dict(options or {})
        check_options(self._options)
        self._server: AsyncServer | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load the models, if any are named yet. Raises LoadFailed."""
        if self._models or self._manifest:
            await self._serve(self._models, self._manifest)

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Serve other models from now on: `models` and `manifest`, as at the start.

        They are loaded beside those that serve; then new requests go to them, and the old ones answer what they have
        taken. Raises InvalidConfiguration and LoadFailed, and then everything stays as it was.
        """
        models, manifest = read_user_config(user_config)
        await self._serve(models, manifest)

    async def check_health(self) -> None:
        """Raise NotReady unless all models can answer; Ray replaces a replica whose check fails for a while."""
        if self._server is None:
            raise NotReady("no models are named; give `models` or `manifest` in `args`, or in `user_config`")
        self._server.check_ready()

    async def close(self) -> None:
        """Answer what has been asked, then release everything."""
        server, self._server = self._server, None
        if server is not None:
            await self._retire(server)
        await asyncio.gather(*self._retiring)

    async def __call__(self, request: Any) -> Any:
        """Answer an HTTP request. request: Starlette's; gives a response of Starlette's, which reads it and answers."""
        del request  # the response is handed what belongs to it
        return _response()(self._running.in_process.asgi)

    @property
    def _running(self) -> AsyncServer:
        if self._server is None:
            raise NotReady("this replica serves no models")
        return self._server

    async def _serve(self, models: Sequence[Source], manifest: str | None) -> None:
        server = AsyncServer(models, manifest=manifest, lock=self._lock, offline=self._is_offline, **self._options)
        await server.start()
        old, self._server = self._server, server
        if old is not None:
            task = asyncio.get_running_loop().create_task(self._retire(old))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, server: AsyncServer) -> None:
        """Close a server that gets no more requests, once it has answered those that are on their way into it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(server.in_process.wait_idle(), server.drain_timeout_s)
        await server.close()


def read_user_config(user_config: Mapping[str, Any]) -> tuple[Sequence[Source], str | None]:
    """Return `models` and `manifest`. Raises InvalidConfiguration."""
    unknown = sorted(set(user_config) - set(SOURCES)) if isinstance(user_config, Mapping) else [str(user_config)]
    if unknown:
        raise InvalidConfiguration(
            f"user_config: '{unknown[0]}' is not known; it may hold models and manifest, and everything else belongs "
            "in `args`, because a change of it needs new replicas"
        )
    models, manifest = user_config.get("models", ()), user_config.get("manifest")
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise InvalidConfiguration(f"user_config: models is a list, such as [minilm=org/name], not '{models}'")
    if not models and not manifest:
        raise InvalidConfiguration("user_config: it names no models; give models or manifest")
    return models, manifest


def check_options(options: Mapping[str, Any]) -> None:
    """Raise InvalidConfiguration for options that a replica cannot keep."""
    for name, reason in REFUSED.items():
        value = options.get(name)
        if value and not (name == "model_control_mode" and value in ALLOWED_MODES):
            raise InvalidConfiguration(f"options: {name} cannot be {value!r} behind Ray Serve: {reason}")
    try:
        ServerSettings.of(**options)
    except TypeError as error:
        raise InvalidConfiguration(f"options: {error}") from error
    ports = sorted(name for name in options if name.endswith("_port"))
    if ports:
        raise InvalidConfiguration(
            f"options: {ports[0]} has no effect behind Ray Serve, whose proxies have the ports; set them in "
            "http_options and grpc_options"
        )


@cache
def _response() -> Any:
    """Return the class of responses that let an ASGI application answer; Ray takes only Starlette's."""
    from starlette.responses import Response

    class Answer(Response):
        def __init__(self, app: Any) -> None:
            super().__init__()
            self._app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

    return Answer


def _unary(path: str) -> Callable[[Replica, bytes, Any], Awaitable[Written]]:
    async def method(self: Replica, message: bytes, grpc_context: Any) -> Written:
        answer, trailing = b"", dict[str, bytes]()
        try:
            answer = await self._running.in_process.grpc.ask(path, message, metadata_of(grpc_context), trailing)
        except CallFailed as error:
            set_status(grpc_context, error.status, error.details)
        except NaiadError as error:
            set_status(grpc_context, "UNAVAILABLE", error.message)
        if trailing:
            grpc_context.set_trailing_metadata([(name, value.decode()) for name, value in trailing.items()])
        return Written(answer)

    return method


def _stream(path: str) -> Callable[[Replica, AsyncIterator[bytes], Any], AsyncIterator[Written]]:
    async def method(self: Replica, messages: AsyncIterator[bytes], grpc_context: Any) -> AsyncIterator[Written]:
        try:
            async for answer in self._running.in_process.grpc.stream(path, messages, metadata_of(grpc_context)):
                yield Written(answer)
        except CallFailed as error:
            set_status(grpc_context, error.status, error.details)
            raise

    return method


def _add_methods() -> None:
    for service, names in SERVICES.items():
        for name in names:
            method: Any = (_stream if name == STREAMS else _unary)(f"/{service}/{name}")
            method.__name__ = name
            method.__qualname__ = f"Replica.{name}"
            method.__doc__ = f"Answer {service}/{name}, its messages as bytes. grpc_context: Ray's."
            setattr(Replica, name, method)


_add_methods()
