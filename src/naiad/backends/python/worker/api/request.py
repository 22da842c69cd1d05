"""A request: one that came from the server, or one that model code makes for another model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .calls import Call, ResponseIterator
from .errors import TritonModelException
from .response import InferenceResponse, checked_parameters
from .sender import InferenceResponseSender
from .tensor import Tensor

SEQUENCE_START, SEQUENCE_END = 1, 2
RELEASE_ALL, RELEASE_RESCHEDULE = 1, 2
MEMORY_CPU, MEMORY_GPU = 0, 1


class PreferredMemory:
    """Where the answers of another model should lie; here there is no other memory than the CPU's."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self._kind = preferred_memory_type
        self._device = preferred_device_id

    def memory_type(self) -> int:
        """Return the type."""
        return self._kind

    def device_id(self) -> int:
        """Return the number of the device."""
        return self._device


class InferenceTrace:
    """The trace that a request is part of, to be handed on to the requests that are made for it."""

    def __init__(self, number: int = 0, context: str | None = None) -> None:
        self._number = number
        self._context = context

    def get_context(self) -> str | None:
        """Return the W3C trace context as JSON; None where the request is not traced."""
        return self._context


class InferenceRequest:
    """See Triton's Python backend."""

    __slots__ = (
        "_correlation_id",
        "_flags",
        "_inputs",
        "_make_inputs",
        "_memory",
        "_model_name",
        "_model_version",
        "_outputs",
        "_parameters",
        "_release",
        "_request_id",
        "_stream",
        "_timeout",
        "_trace",
    )

    def __init__(
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Iterable[Tensor] = (),
        requested_output_names: Iterable[str] = (),
        model_name: str | None = None,
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: InferenceTrace | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises TypeError, TritonModelException for arguments of the wrong type."""
        if model_name is None:
            raise TypeError("InferenceRequest needs a model_name")
        self._inputs: list[Tensor] | None = list(inputs)
        for tensor in self._inputs:
            if tensor is None:
                which = f"request with id '{request_id}' and model name '{model_name}'"
                raise TritonModelException(f"Input tensor for {which} should not be empty.")
            if not isinstance(tensor, Tensor):
                raise TypeError(f"inputs must be pb_utils.Tensor objects, not {type(tensor).__name__}")
        self._outputs = list(requested_output_names)
        for name in self._outputs:
            if not isinstance(name, str) or not name:
                raise TritonModelException(f"requested_output_names must be names of outputs, not {name!r}")
        if not isinstance(correlation_id, (int, str)):
            raise TypeError(f"correlation_id must be an int or a str, not {type(correlation_id).__name__}")
        self._make_inputs: Callable[[], list[Tensor]] | None = None
        self._request_id = str(request_id)
        self._correlation_id = correlation_id
        self._model_name = model_name
        self._model_version = int(model_version)
        self._flags, self._timeout = int(flags), int(timeout)
        self._memory = preferred_memory
        self._trace = trace
        self._parameters = {} if not parameters else checked_parameters(parameters)
        self._stream: Any = None
        self._release = RELEASE_ALL

    @classmethod
    def _of(
        cls, row: Sequence[Any], stream: Any, outputs: list[str], make_inputs: Callable[[], list[Tensor]]
    ) -> InferenceRequest:
        """Make one of what came from the server."""
        made = cls.__new__(cls)
        made._request_id, made._correlation_id, made._flags, made._timeout, made._parameters = row[:5]
        made._outputs = outputs
        made._trace = row[6]
        made._inputs, made._make_inputs = None, make_inputs
        made._model_name, made._model_version, made._memory = "", -1, None
        made._stream = stream
        made._release = RELEASE_ALL
        return made

    def inputs(self) -> list[Tensor]:
        """Return the input tensors."""
        if self._inputs is None:
            self._inputs = self._make_inputs() if self._make_inputs is not None else []
        return self._inputs

    def request_id(self) -> str:
        """Return the request's id; empty where it has none."""
        return self._request_id

    def correlation_id(self) -> int | str:
        """Return the id of its sequence; 0 where it has none."""
        return self._correlation_id

    def flags(self) -> int:
        """Return its sequence flags: 1 = first, 2 = last."""
        return self._flags

    def set_flags(self, flags: int) -> None:
        """Set the sequence flags."""
        self._flags = int(flags)

    def timeout(self) -> int:
        """Return the timeout in microseconds; 0 = none."""
        return self._timeout

    def parameters(self) -> str:
        """Return the caller's parameters as JSON."""
        return json.dumps(self._parameters or {})

    def requested_output_names(self) -> list[str]:
        """Return the names of the outputs that the caller wants; all of the model's where it did not say."""
        return self._outputs

    def model_name(self) -> str:
        """Return the model that it is for."""
        return self._model_name

    def model_version(self) -> int:
        """Return its version; -1 = the server's choice."""
        return self._model_version

    def preferred_memory(self) -> PreferredMemory | None:
        """Return where answers should lie."""
        return self._memory

    def trace(self) -> InferenceTrace:
        """Return the trace that it is part of."""
        trace = self._trace
        if isinstance(trace, InferenceTrace):
            return trace
        return InferenceTrace(*trace) if trace else InferenceTrace()

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._stream is not None and self._stream.is_withdrawn

    def get_response_sender(self) -> InferenceResponseSender:
        """Return what sends its answers. Raises TritonModelException where another part of the model has one."""
        if self._stream is None:
            raise TritonModelException("only a request that came from the server has a response sender")
        self._stream.has_sender = True
        return InferenceResponseSender(self._stream, self)

    def set_release_flags(self, flags: int) -> None:
        """Say what is to become of it after `execute`: be released, or come back (RESCHEDULE)."""
        if flags not in (RELEASE_ALL, RELEASE_RESCHEDULE):
            raise TritonModelException(f"{flags!r} is no release flag")
        self._release = flags

    def exec(self, decoupled: bool = False) -> InferenceResponse | ResponseIterator:
        """Run it on its model and wait for the answer; decoupled: return an iterator over any number of answers."""
        call = Call(self, is_decoupled=decoupled, waits=not decoupled)
        return ResponseIterator(call) if decoupled else call.wait()

    async def async_exec(self, decoupled: bool = False) -> Any:
        """Run it on its model without holding up the event loop; decoupled: return an asynchronous iterator."""
        call = Call(self, is_decoupled=decoupled)
        if decoupled:
            return ResponseIterator(call)
        return await call.wait_async()
