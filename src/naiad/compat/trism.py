"""trism's names: `TritonModel` for tensors, `TritonLMModel` for models that take and give text.

Against any server of the v2 protocol. Where trism goes wrong this does not: strings may hold any character, NUL bytes
at their end included; BF16 goes in and out as float32; an error of a stream is raised, and nothing is printed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson

import naiad.client.calls as http_calls
import naiad.client.grpc.calls as grpc_calls
from naiad.client import Client
from naiad.client.grpc.channel import GrpcChannel
from naiad.client.metadata import ModelMetadata, TensorMetadata
from naiad.client.values import to_tensor
from naiad.core.bf16 import bf16_to_float
from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array, Tensor

TIMEOUT_S = 300.0
"""For an answer, and between two pieces of a stream."""

_END_OF_THINKING = "</think>"


@dataclass(frozen=True, slots=True)
class Inout:
    """One input or output of a model."""

    name: str
    shape: tuple[int, ...]
    """With the batch dimension, where there is one; -1: any length."""
    dtype: Any
    """A type of numpy; float32 for BF16, object for strings."""


class TritonModel:
    """One model of a server, which is asked for its inputs and outputs at once."""

    def __init__(self, model: str, version: int, url: str, grpc: bool = True) -> None:
        """version: 0: the latest. url: host:port, of the gRPC port or, with grpc=False, of the HTTP port.

        Raises NaiadError: Unreachable, NotFound …
        """
        self.model, self.version, self.url, self.grpc = model, version, url, grpc
        self._version = str(version) if version else ""
        self._channel = GrpcChannel(url) if grpc else None
        self._http = None if grpc else Client(url, timeout_s=TIMEOUT_S)
        try:
            self._metadata = self._ask_metadata()
        except BaseException:
            self.close()
            raise

    @property
    def inputs(self) -> list[Inout]:
        """In the model's order."""
        return [_inout(tensor) for tensor in self._metadata.inputs]

    @property
    def outputs(self) -> list[Inout]:
        """In the model's order."""
        return [_inout(tensor) for tensor in self._metadata.outputs]

    def run(self, data: Sequence[Any]) -> dict[str, Array]:
        """Infer. data: an array for each input, in order, cast to its type; None leaves an optional one out.

        Gives arrays by output; strings are object arrays of `bytes`. Raises NaiadError.
        """
        inputs = self._metadata.inputs
        if len(data) > len(inputs):
            raise InvalidRequest(f"model '{self.model}' takes {len(inputs)} inputs, got {len(data)}")
        pairs = zip(inputs, data, strict=False)
        tensors = [to_tensor(_cast(array, wanted), wanted)[0] for wanted, array in pairs if array is not None]
        return {tensor.name: _array(tensor) for tensor in self._infer(tensors)}

    def close(self) -> None:
        """Close the connection."""
        (self._channel or self._http).close()  # type: ignore[union-attr]  # one of them there is

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask_metadata(self) -> ModelMetadata:
        if self._channel is not None:
            return self._channel.send(grpc_calls.model_metadata(self.model, self._version), TIMEOUT_S)
        assert self._http is not None
        return self._http.model_metadata(self.model, self._version)

    def _infer(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        if self._channel is not None:
            return self._channel.send(grpc_calls.infer(self.model, self._version, tensors), TIMEOUT_S)
        assert self._http is not None
        path = http_calls.model_path(self.model, self._version)
        return self._http.send(http_calls.infer_tensors(path, tensors, http_calls.Options()))


class TritonLMModel:
    """A model that takes `text_input` and gives `text_output`, any number of times; gRPC, in asyncio."""

    def __init__(self, model: str, version: int = 1, url: str = "localhost:8001", stream: bool = True) -> None:
        """stream: what models with an input of that name are told. Nothing is asked yet."""
        self.model, self.version, self.url, self.stream = model, version, url, stream
        self._version = str(version) if version else ""
        self._channel = GrpcChannel(url)
        self._metadata: ModelMetadata | None = None

    async def run(
        self, prompt: str, sampling_parameters: Mapping[str, Any] | None = None, show_thinking: bool = True
    ) -> AsyncIterator[str]:
        """Give the pieces of the text as they come. show_thinking: also those before `</think>`. Raises NaiadError."""
        if self._metadata is None:
            asked = grpc_calls.model_metadata(self.model, self._version)
            self._metadata = await self._channel.ask(asked, TIMEOUT_S)
        tensors = self._tensors(self._metadata, prompt, sampling_parameters)
        call = grpc_calls.infer(self.model, self._version, tensors)
        is_shown, held = show_thinking, ""
        async for outputs in self._channel.astream(call, TIMEOUT_S):
            for piece in _texts(outputs):
                if is_shown:
                    yield piece
                    continue
                held += piece
                _, mark, rest = held.partition(_END_OF_THINKING)
                is_shown = bool(mark)
                if rest:
                    yield rest

    async def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _tensors(self, model: ModelMetadata, prompt: str, sampling: Mapping[str, Any] | None) -> list[Tensor]:
        """The inputs that the model has, of those that such models may have."""
        given: dict[str, Any] = {
            "text_input": prompt,
            "stream": self.stream,
            "sampling_parameters": orjson.dumps(dict(sampling or {})).decode(),
            "exclude_input_in_output": True,
        }
        names = {tensor.name for tensor in model.inputs}
        if "text_input" not in names:
            raise InvalidRequest(f"model '{self.model}' has no input 'text_input'; it has {', '.join(sorted(names))}")
        return [_one(given[tensor.name], tensor) for tensor in model.inputs if tensor.name in given]


def _inout(tensor: TensorMetadata) -> Inout:
    dtype = np.float32 if tensor.datatype == "BF16" else BY_NAME[tensor.datatype].numpy.type
    return Inout(tensor.name, tensor.shape, dtype)


def _cast(value: Any, wanted: TensorMetadata) -> Array:
    """An array of the input's type, as `astype` casts; strings stay as they are."""
    if wanted.datatype == "BYTES":
        return np.asarray(value) if isinstance(value, np.ndarray) else np.array(value, np.object_)
    return np.asarray(value).astype(np.float32 if wanted.datatype == "BF16" else BY_NAME[wanted.datatype].numpy)


def _one(value: Any, wanted: TensorMetadata) -> Tensor:
    """A tensor of one element, in the rank that is declared."""
    array = np.array(value, np.object_ if wanted.datatype == "BYTES" else BY_NAME[wanted.datatype].numpy)
    return to_tensor(array.reshape((1,) * len(wanted.shape)), wanted)[0]


def _array(tensor: Tensor) -> Array:
    return bf16_to_float(tensor.data) if tensor.datatype == "BF16" else tensor.data


def _texts(outputs: Sequence[Tensor]) -> list[str]:
    """The pieces of an answer, empty ones left out."""
    pieces = [piece for one in outputs if one.name == "text_output" for piece in one.data.ravel().tolist()]
    return [piece.decode(errors="replace") for piece in pieces if piece]
