"""The client that waits: `naiad.Client`. What it says and how it reads answers is `calls.py`.

Its twin for asyncio, `aio.py`, is generated from this file.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import naiad.client.calls as calls
import naiad.client.events as events
import naiad.client.jobs as jobs
import naiad.client.metadata as meta
from naiad.client.calls import Call, Options, Value
from naiad.client.connection import DEFAULT_ADDRESS, Connection
from naiad.client.errors import translated
from naiad.client.job import Job
from naiad.client.result import Result
from naiad.core.errors import InvalidRequest, NotFound
from naiad.core.message import Parameter

if TYPE_CHECKING:
    import httpx2


class Client:
    """A pool of connections to one server; threads may share it.

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
        self._http: httpx2.Client = httpx2.Client(**self.connection.http_options())
        self._models: dict[tuple[str, str], meta.ModelMetadata] = {}

    def model(self, name: str, version: str | int = "") -> Model:
        """Name a model, or one version of it; nothing is sent yet."""
        return Model(self, name, str(version))

    def is_live(self) -> bool:
        """Whether the server runs."""
        return self.send(calls.health("/v2/health/live"))

    def is_ready(self) -> bool:
        """Whether the server takes requests."""
        return self.send(calls.health("/v2/health/ready"))

    def metadata(self) -> meta.ServerMetadata:
        """Name, version and protocol extensions of the server."""
        return self.send(calls.get_json("/v2", meta.read_server))

    def index(self) -> list[meta.IndexEntry]:
        """Every model the server knows, ready or not, and why not."""
        return self.send(calls.index())

    def statistics(self) -> dict[str, Any]:
        """Counts and durations of all models, as the statistics extension of v2 gives them."""
        return self.send(calls.get_json("/v2/models/stats", dict))

    def infer(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Result:
        """Run a model, its inputs as a mapping. Raises InvalidRequest for inputs that do not suit the model."""
        options = Options(request_id, parameters or {}, outputs)
        with self._forgetting(name, version):
            model = self.model_metadata(name, version)
            return self.send(calls.infer(model, calls.model_path(name, version), inputs, options), timeout_s)

    def stream(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Result]:
        """Run a model and give its answers as they come, any number of them; whoever stops listening withdraws it.

        Raises InvalidRequest for inputs that do not suit the model or that events cannot carry, and the error that an
        answer is. timeout_s: the longest silence.
        """
        options = Options(request_id, parameters or {})
        limit_s = self.connection.limit_s(timeout_s)
        with self._forgetting(name, version), translated(self.connection.url, limit_s):
            model = self.model_metadata(name, version)
            asked = events.stream(model, calls.model_path(name, version), inputs, options)
            opened = self._http.stream(*asked.target, content=asked.content, timeout=limit_s)
            with opened as response:
                if response.status_code != 200:
                    response.read()
                    asked.refuse(self.connection.reply(response))
                for line in response.iter_lines():
                    if (result := asked.read(line, self.connection.url)) is not None:
                        yield result

    def submit(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        callback: str = "",
        key: str = "",
    ) -> Job:
        """Leave a request with a server that takes jobs; it has it for good when this returns.

        callback: URL that is told of the end. key: submitting the same under the same key again gives the same job.
        """
        options = Options(request_id, parameters or {}, outputs)
        with self._forgetting(name, version):
            model = self.model_metadata(name, version)
            call, lone = jobs.submit(model, calls.model_path(name, version), inputs, options, callback, key)
            return Job(self, name, version, (self.send(call)).id, lone)

    def job(self, name: str, job_id: str, version: str = "") -> Job:
        """Name a job by its ID; nothing is sent yet."""
        return Job(self, name, version, job_id)

    @contextmanager
    def _forgetting(self, name: str, version: str) -> Generator[None, None, None]:
        """Forget a model that refuses a request: it may have been loaded anew with other inputs."""
        try:
            yield
        except (InvalidRequest, NotFound):
            self._models.pop((name, version), None)
            raise

    def send(self, call: Call[Value], timeout_s: float | None = None) -> Value:
        """Do one exchange; `timeout_s` counts for this one instead of the client's own."""
        limit_s = self.connection.limit_s(timeout_s)
        with translated(self.connection.url, limit_s):
            response = self._http.request(
                call.method, call.path, content=call.content, headers=dict(call.headers), timeout=limit_s
            )
        return call.read(self.connection.reply(response))

    def model_metadata(self, name: str, version: str = "") -> meta.ModelMetadata:
        """Inputs and outputs of a model; asked once and remembered until an answer shows that they have changed."""
        known = self._models.get((name, version))
        if known is None:
            known = self.send(calls.get_json(calls.model_path(name, version), meta.read_model))
            self._models[name, version] = known
        return known

    def is_model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model takes requests."""
        return self.send(calls.health(f"{calls.model_path(name, version)}/ready"))

    def model_config(self, name: str, version: str = "") -> dict[str, Any]:
        """The configuration of a model, in the names of config.pbtxt."""
        return self.send(calls.get_json(f"{calls.model_path(name, version)}/config", dict))

    def model_statistics(self, name: str, version: str = "") -> dict[str, Any]:
        """Counts and durations of a model."""
        return self.send(calls.get_json(f"{calls.model_path(name, version)}/stats", dict))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ModelHost(Protocol):
    """Who runs models by name: a client, or a server in the same program; methods are described at `Client`."""

    def infer(  # noqa: D102
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Result: ...

    def model_metadata(self, name: str, version: str = "") -> meta.ModelMetadata: ...  # noqa: D102

    def is_model_ready(self, name: str, version: str = "") -> bool: ...  # noqa: D102

    def model_config(self, name: str, version: str = "") -> dict[str, Any]: ...  # noqa: D102

    def model_statistics(self, name: str, version: str = "") -> dict[str, Any]: ...  # noqa: D102


class Model:
    """One model of a server: call it with its inputs, by name or in the order of its metadata."""

    def __init__(self, host: ModelHost, name: str, version: str) -> None:
        self.host = host
        self.name = name
        self.version = version

    def __call__(
        self,
        *values: Any,
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
        **named: Any,
    ) -> Result:
        """Infer. `model("hello")` and `model(text="hello")` are the same for a model whose first input is `text`.

        The four keywords above are options of the call; a model with an input of such a name takes a mapping: `infer`.
        """
        inputs = calls.bind(self.metadata(), values, named)
        return self.infer(inputs, request_id=request_id, parameters=parameters, outputs=outputs, timeout_s=timeout_s)

    def infer(
        self,
        inputs: Mapping[str, Any],
        *,
        request_id: str = "",
        parameters: Mapping[str, Parameter | Sequence[str]] | None = None,
        outputs: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Result:
        """Infer, with the inputs as a mapping. Raises InvalidRequest for inputs that do not suit the model."""
        return self.host.infer(
            self.name,
            inputs,
            version=self.version,
            request_id=request_id,
            parameters=parameters,
            outputs=outputs,
            timeout_s=timeout_s,
        )

    def metadata(self) -> meta.ModelMetadata:
        """Inputs and outputs."""
        return self.host.model_metadata(self.name, self.version)

    def is_ready(self) -> bool:
        """Whether the model takes requests."""
        return self.host.is_model_ready(self.name, self.version)

    def config(self) -> dict[str, Any]:
        """The model configuration, in the names of config.pbtxt."""
        return self.host.model_config(self.name, self.version)

    def statistics(self) -> dict[str, Any]:
        """Counts and durations of this model."""
        return self.host.model_statistics(self.name, self.version)
