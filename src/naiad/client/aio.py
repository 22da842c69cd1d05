"""The client for asyncio: `naiad.AsyncClient`. Generated from `sync.py`; run `make generate`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import naiad.client.calls as calls
import naiad.client.metadata as meta
from naiad.client.calls import Call, Options, Value
from naiad.client.connection import DEFAULT_ADDRESS, Connection
from naiad.client.errors import translated
from naiad.client.result import Result
from naiad.core.errors import InvalidRequest, NotFound
from naiad.core.message import Parameter

if TYPE_CHECKING:
    import httpx2


class AsyncClient:
    """A pool of connections to one server; tasks of one event loop may share it.

    Every method raises Unreachable when no server answers, DeadlineExceeded when it takes too long, and otherwise the
    error that the server names. What the arguments mean stands in `naiad.client.connection.Connection`.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout_s: float = 60.0,
        connections: int = 100,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        import httpx2

        self.connection = Connection(address, timeout_s, connections, headers or {}, tls)
        self._http: httpx2.AsyncClient = httpx2.AsyncClient(**self.connection.http_options())
        self._models: dict[tuple[str, str], meta.ModelMetadata] = {}

    def model(self, name: str, version: str | int = "") -> AsyncModel:
        """Name a model, or one version of it; nothing is sent yet."""
        return AsyncModel(self, name, str(version))

    async def is_live(self) -> bool:
        """Whether the server runs."""
        return await self.send(calls.health("/v2/health/live"))

    async def is_ready(self) -> bool:
        """Whether the server takes requests."""
        return await self.send(calls.health("/v2/health/ready"))

    async def metadata(self) -> meta.ServerMetadata:
        """Name, version and protocol extensions of the server."""
        return await self.send(calls.get_json("/v2", meta.read_server))

    async def index(self) -> list[meta.IndexEntry]:
        """Every model the server knows, ready or not, and why not."""
        return await self.send(calls.index())

    async def statistics(self) -> dict[str, Any]:
        """Counts and durations of all models, as the statistics extension of v2 gives them."""
        return await self.send(calls.get_json("/v2/models/stats", dict))

    async def send(self, call: Call[Value], timeout_s: float | None = None) -> Value:
        """Do one exchange; `timeout_s` counts for this one instead of the client's own."""
        limit_s = self.connection.limit_s(timeout_s)
        with translated(self.connection.url, limit_s):
            response = await self._http.request(
                call.method, call.path, content=call.content, headers=dict(call.headers), timeout=limit_s
            )
        return call.read(self.connection.reply(response))

    async def model_metadata(self, name: str, version: str) -> meta.ModelMetadata:
        """Inputs and outputs of a model; asked once and remembered until an answer shows that they have changed."""
        known = self._models.get((name, version))
        if known is None:
            known = await self.send(calls.get_json(calls.model_path(name, version), meta.read_model))
            self._models[name, version] = known
        return known

    def forget_model(self, name: str, version: str) -> None:
        """Ask for the model's metadata again when it is needed next."""
        self._models.pop((name, version), None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncModel:
    """One model of a server: call it with its inputs, by name or in the order of its metadata."""

    def __init__(self, client: AsyncClient, name: str, version: str) -> None:
        self.client = client
        self.name = name
        self.version = version
        self._path = calls.model_path(name, version)

    async def __call__(
        self,
        *values: Any,
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
        **named: Any,
    ) -> Result:
        """Infer. `await model("hello")` and `model(text="hello")` are the same for a model whose first input is `text`.

        The four keywords above are options of the call; a model with an input of such a name takes a mapping: `infer`.
        """
        inputs = calls.bind(await self.metadata(), values, named)
        return await self.infer(
            inputs, request_id=request_id, parameters=parameters, outputs=outputs, timeout_s=timeout_s
        )

    async def infer(
        self,
        inputs: Mapping[str, Any],
        *,
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Result:
        """Infer, with the inputs as a mapping. Raises InvalidRequest for inputs that do not suit the model."""
        options = Options(request_id, parameters or {}, outputs)
        try:
            return await self.client.send(calls.infer(await self.metadata(), self._path, inputs, options), timeout_s)
        except (InvalidRequest, NotFound):  # the model may have been loaded anew with other inputs
            self.client.forget_model(self.name, self.version)
            raise

    async def metadata(self) -> meta.ModelMetadata:
        """Inputs and outputs."""
        return await self.client.model_metadata(self.name, self.version)

    async def is_ready(self) -> bool:
        """Whether the model takes requests."""
        return await self.client.send(calls.health(f"{self._path}/ready"))

    async def config(self) -> dict[str, Any]:
        """The model configuration, in the names of config.pbtxt."""
        return await self.client.send(calls.get_json(f"{self._path}/config", dict))

    async def statistics(self) -> dict[str, Any]:
        """Counts and durations of this model."""
        return await self.client.send(calls.get_json(f"{self._path}/stats", dict))
