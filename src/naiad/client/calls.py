"""What is sent to a server, and how its answer is read; no waiting here, so both clients share it.

A `Call` is one HTTP exchange: its bytes, and the function that makes a value of the reply or raises one of our errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import numpy as np
import orjson

import naiad.client.metadata as meta
from naiad.client.errors import from_answer
from naiad.client.result import Result
from naiad.client.values import from_tensors, to_tensors
from naiad.core.datatypes import BY_NAME
from naiad.core.errors import Failed, InvalidRequest, NaiadError
from naiad.core.message import Parameter
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.protocol import binary

Value = TypeVar("Value")
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    address: str
    status: int
    body: bytes
    header_length: str | None = None
    """Value of `Inference-Header-Content-Length`: bytes of JSON before the tensors."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Value]):
    """One HTTP exchange."""

    method: str
    path: str
    read: Callable[[Reply], Value]
    """Raises one of our errors when the reply is one, or is not what the protocol promises."""
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked of one inference besides its inputs."""

    id: str = ""
    """Comes back in the answer and stands in the server's logs."""
    parameters: Mapping[str, Parameter | Sequence[str]] = field(default_factory=dict)
    """For the model, or of the protocol: priority, timeout (microseconds), sequence_id … A list travels as JSON text,
    because parameters of v2 are scalars."""
    outputs: Sequence[str] = ()
    """Names of the outputs wanted; empty = all."""


def model_path(name: str, version: str) -> str:
    """Path of a model, or of one of its versions."""
    path = f"/v2/models/{quote(name, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def health(path: str) -> Call[bool]:
    """Ask live or ready: True for 200, False for the statuses that mean no. Raises NotFound for an unknown model."""
    return Call("GET", path, _read_health)


def _read_health(reply: Reply) -> bool:
    if reply.status in (400, 503):
        return False
    _check(reply)
    return True


def get_json(path: str, read: Callable[[Any], Value]) -> Call[Value]:
    """Ask for a JSON document."""
    return Call("GET", path, _document_reader(read))


def index() -> Call[list[meta.IndexEntry]]:
    """Ask which models there are."""
    return Call("POST", "/v2/repository/index", _document_reader(meta.read_index), content=b"{}")


def explain(path: str, seconds: float) -> Call[dict[str, Any]]:
    """Ask why a model's batches have the size they have; the server watches for so many seconds before it answers."""
    return get_json(f"{path}/explain?seconds={seconds:g}", dict)


def _document_reader(read: Callable[[Any], Value]) -> Callable[[Reply], Value]:
    def read_reply(reply: Reply) -> Value:
        _check(reply)
        with understanding(reply):
            return read(orjson.loads(reply.body))

    return read_reply


def infer(model: meta.ModelMetadata, path: str, inputs: Mapping[str, Any], options: Options) -> Call[Result]:
    """Ask for an inference; tensors travel as bytes behind the JSON, both ways.

    Raises InvalidRequest for an input that the model does not have or that does not suit it.
    """
    tensors, lone_outputs = to_tensors(inputs, model)
    return infer_call(f"{path}/infer", tensors, options, lambda reply: read_inference(reply, lone_outputs))


def infer_tensors(path: str, tensors: Sequence[Tensor], options: Options) -> Call[list[Tensor]]:
    """Ask for an inference, tensors in and tensors out. Raises InvalidRequest for options that cannot be sent."""
    return infer_call(f"{path}/infer", tensors, options, lambda reply: _read_tensors(reply)[1])


def infer_call(
    path: str,
    tensors: Sequence[Tensor],
    options: Options,
    read: Callable[[Reply], Value],
    headers: Mapping[str, str] | None = None,
) -> Call[Value]:
    """Post an inference to a path. Raises InvalidRequest for options that cannot be sent."""
    header, tail = _encode(tensors, options)
    return Call(
        "POST",
        path,
        read,
        content=b"".join([header, *tail]),
        headers={HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream", **(headers or {})},
    )


def bind(model: meta.ModelMetadata, values: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Give positional values the names of the model's inputs, in its order. Raises InvalidRequest."""
    names = [one.name for one in model.inputs]
    if len(values) > len(names):
        raise InvalidRequest(
            f"model '{model.name}' takes {len(names)} inputs ({', '.join(names)}), got {len(values)} values"
        )
    bound = dict(zip(names, values, strict=False))
    for name in named:
        if name in bound:
            raise InvalidRequest(f"input '{name}' of model '{model.name}' is given both by position and by name")
    return bound | dict(named)


def _encode(tensors: Sequence[Tensor], options: Options) -> tuple[bytes, list[bytes]]:
    tail = [binary.encode(tensor) for tensor in tensors]
    document: dict[str, Any] = {"id": options.id} if options.id else {}
    document["inputs"] = [
        {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "datatype": tensor.datatype,
            "parameters": {"binary_data_size": len(raw)},
        }
        for tensor, raw in zip(tensors, tail, strict=True)
    ]
    parameters: dict[str, Any] = dict(options.parameters)
    if options.outputs:
        document["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in options.outputs]
    else:
        parameters["binary_data_output"] = True
    try:
        document["parameters"] = {name: scalar(value) for name, value in parameters.items()}
        return orjson.dumps(document), tail
    except TypeError as error:
        raise InvalidRequest(f"id, parameters and output names must be plain values: {error}") from error


def scalar(value: Any) -> Any:
    """Make the value of a parameter as it travels; see `Options.parameters`."""
    return orjson.dumps(value).decode() if isinstance(value, list | tuple) else value


def _read_tensors(reply: Reply) -> tuple[dict[str, Any], list[Tensor]]:
    """Read an answer to an inference: its JSON, and its outputs."""
    _check(reply)
    with understanding(reply):
        header_length = len(reply.body) if reply.header_length is None else int(reply.header_length)
        document = orjson.loads(memoryview(reply.body)[:header_length])
        return document, list(_tensors(document["outputs"], memoryview(reply.body)[header_length:]))


def read_inference(reply: Reply, lone_outputs: frozenset[str]) -> Result:
    """Read the answer to an inference; lone_outputs: see `to_tensors`. Raises the error that it is, if it is one."""
    document, tensors = _read_tensors(reply)
    with understanding(reply):
        return Result(
            from_tensors(tensors, lone_outputs),
            str(document["model_name"]),
            str(document.get("model_version", "")),
            str(document.get("id", "")),
            document.get("parameters") or {},
        )


def _tensors(entries: Sequence[Mapping[str, Any]], tail: memoryview) -> Iterator[Tensor]:
    """Read outputs, those with their data in the JSON and those behind it."""
    at = 0
    for one in entries:
        name, datatype, shape = one["name"], one["datatype"], tuple(one["shape"])
        size = (one.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            yield binary.decode(name, datatype, shape, tail[at : at + size])
            at += size
        elif datatype == "BYTES":
            texts = np.array(one["data"], dtype=np.object_).ravel().tolist()
            yield bytes_tensor(name, [text.encode() for text in texts], shape)
        else:
            yield Tensor(name, datatype, np.array(one["data"], dtype=BY_NAME[datatype].numpy).reshape(shape))


def read_nothing(reply: Reply) -> None:
    """Read an answer that says nothing but that it went well. Raises NaiadError where it did not."""
    _check(reply)


def _check(reply: Reply) -> None:
    if reply.status != 200:
        raise from_answer(reply.status, reply.body, reply.address)


@contextmanager
def understanding(reply: Reply) -> Iterator[None]:
    """Turn what reading a strange document raises into one clear error."""
    try:
        yield
    except (NaiadError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failed(
            f"the answer of {reply.address} does not follow the v2 protocol ({type(error).__name__}: {error}). "
            "Is this the HTTP port of an inference server?",
            address=reply.address,
        ) from error
