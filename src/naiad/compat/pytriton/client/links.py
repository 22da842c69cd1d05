"""The way to a server, over HTTP or gRPC: where it is, and how each question is put there."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

import naiad.client.calls as http_calls
import naiad.client.grpc.calls as grpc_calls
from naiad.client import AsyncClient
from naiad.client.connection import Connection
from naiad.client.grpc.channel import GrpcChannel
from naiad.client.lean import LeanClient
from naiad.compat.pytriton.client.exceptions import PyTritonClientInvalidUrlError
from naiad.compat.pytriton.client.values import Parameters
from naiad.compat.pytriton.config import ACCESS_HEADER
from naiad.core.tensor import Tensor

_PORTS = {"http": 8000, "grpc": 8001}


@dataclass(frozen=True, slots=True)
class TritonUrl:
    """The address of a server."""

    scheme: str
    hostname: str
    port: int

    @classmethod
    def from_url(cls, url: str) -> TritonUrl:
        """Read one; http and the scheme's port are left out at will. Raises PyTritonClientInvalidUrlError."""
        text = url if "://" in str(url) else f"http://{url}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise PyTritonClientInvalidUrlError(f"Invalid url {url}: {error}") from error
        if parts.scheme not in _PORTS:
            raise PyTritonClientInvalidUrlError(f"Only {', '.join(_PORTS)} schemes are supported, not '{url}'")
        if not parts.hostname or parts.path.strip("/"):
            raise PyTritonClientInvalidUrlError(f"Invalid url {url}: give scheme://host:port")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    @property
    def without_scheme(self) -> str:
        """host:port."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{host}:{self.port}"

    @property
    def with_scheme(self) -> str:
        """scheme://host:port."""
        return f"{self.scheme}://{self.without_scheme}"


@dataclass(frozen=True, slots=True)
class Inference:
    """What is asked of a model."""

    tensors: Sequence[Tensor]
    request_id: str = ""
    parameters: Parameters | None = None
    headers: Mapping[str, Any] | None = None


class Questions(Protocol):
    """Makes the calls of one protocol; each is sent by the sender of the same protocol."""

    def is_ready(self) -> Any:
        """Whether the server takes requests: bool."""

    def is_model_ready(self, name: str, version: str) -> Any:
        """Whether a model does: bool."""

    def config(self, name: str, version: str) -> Any:
        """A model's configuration: dict."""

    def infer(self, name: str, version: str, inference: Inference) -> Any:
        """The outputs: list of Tensor."""

    def load(self, name: str, config: str | None, files: Mapping[str, bytes]) -> Any:
        """Nothing."""

    def unload(self, name: str) -> Any:
        """Nothing."""


class HttpQuestions:
    """As `naiad.client.calls`."""

    def is_ready(self) -> Any:
        """See Questions."""
        return http_calls.health("/v2/health/ready")

    def is_model_ready(self, name: str, version: str) -> Any:
        """See Questions."""
        return http_calls.health(f"{http_calls.model_path(name, version)}/ready")

    def config(self, name: str, version: str) -> Any:
        """See Questions."""
        return http_calls.get_json(f"{http_calls.model_path(name, version)}/config", dict)

    def infer(self, name: str, version: str, inference: Inference) -> Any:
        """See Questions."""
        options = http_calls.Options(inference.request_id, inference.parameters or {})
        call = http_calls.infer_tensors(http_calls.model_path(name, version), inference.tensors, options)
        headers = {key: str(value) for key, value in (inference.headers or {}).items()}
        return http_calls.Call(call.method, call.path, call.read, call.content, {**call.headers, **headers})

    def load(self, name: str, config: str | None, files: Mapping[str, bytes]) -> Any:
        """See Questions."""
        parameters: dict[str, str] = {path: base64.b64encode(content).decode() for path, content in files.items()}
        if config is not None:
            parameters["config"] = config
        return self._control(name, "load", {"parameters": parameters})

    def unload(self, name: str) -> Any:
        """See Questions."""
        return self._control(name, "unload", {})

    @staticmethod
    def _control(name: str, verb: str, document: Mapping[str, Any]) -> Any:
        path = http_calls.model_path(name, "").replace("/v2/models/", "/v2/repository/models/")
        return http_calls.Call("POST", f"{path}/{verb}", http_calls.read_nothing, orjson.dumps(document))


class GrpcQuestions:
    """As `naiad.client.grpc.calls`."""

    is_ready = staticmethod(grpc_calls.is_ready)
    is_model_ready = staticmethod(grpc_calls.is_model_ready)
    config = staticmethod(grpc_calls.model_config)
    load = staticmethod(grpc_calls.load)
    unload = staticmethod(grpc_calls.unload)

    def infer(self, name: str, version: str, inference: Inference) -> Any:
        """See Questions."""
        parameters = inference.parameters
        return grpc_calls.infer(
            name, version, inference.tensors, request_id=inference.request_id, parameters=parameters
        )


def questions(url: TritonUrl) -> Questions:
    """Give those of the URL's protocol."""
    return HttpQuestions() if url.scheme == "http" else GrpcQuestions()


def access_headers(url: TritonUrl, token: str | None) -> dict[str, str]:
    """The header that carries an access token, if there is one."""
    if not token:
        return {}
    return {ACCESS_HEADER if url.scheme == "http" else f"triton-grpc-protocol-{ACCESS_HEADER}": token}


class SyncLink:
    """Sends, and waits."""

    def __init__(self, url: TritonUrl, token: str | None, timeout_s: float) -> None:
        headers, is_http = access_headers(url, token), url.scheme == "http"
        connection = Connection(url.without_scheme, timeout_s, headers=headers) if is_http else None
        self._http = None if connection is None else LeanClient(connection)
        self.channel = None if is_http else GrpcChannel(url.without_scheme, headers=headers)

    def send(self, call: Any, timeout_s: float, headers: Mapping[str, Any] | None = None) -> Any:
        """Do one exchange. Raises NaiadError."""
        if self._http is not None:
            return self._http.send(call, timeout_s)
        assert self.channel is not None
        return self.channel.send(call, timeout_s, headers)

    def close(self) -> None:
        """Close the connections."""
        (self._http or self.channel).close()  # type: ignore[union-attr]  # one of them there is


class AsyncLink:
    """Sends, and awaits."""

    def __init__(self, url: TritonUrl, token: str | None, timeout_s: float) -> None:
        headers = access_headers(url, token)
        is_http = url.scheme == "http"
        self._http = AsyncClient(url.without_scheme, timeout_s=timeout_s, headers=headers) if is_http else None
        self.channel = None if is_http else GrpcChannel(url.without_scheme, headers=headers)

    async def send(self, call: Any, timeout_s: float, headers: Mapping[str, Any] | None = None) -> Any:
        """Do one exchange. Raises NaiadError."""
        if self._http is not None:
            return await self._http.send(call, timeout_s)
        assert self.channel is not None
        return await self.channel.ask(call, timeout_s, headers)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
        if self.channel is not None:
            self.channel.close()
