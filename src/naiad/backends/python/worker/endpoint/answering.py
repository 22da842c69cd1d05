"""One endpoint in this process: preprocess, process, postprocess for each request, as ClearML-Serving calls them.

Hooks that are no coroutines run one at a time; while one request waits for its model, others go on. Request and answer
are one tensor of bytes each.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..api.errors import TritonError
from ..api.request import InferenceRequest
from ..api.response import InferenceResponse
from ..api.tensor import Tensor
from ..link import current
from ..model import HookFailed, finished
from ..shown import shown
from . import sending
from .code import CLASS, import_class, make
from .encoding import NotJson, encode
from .engines import Attached, ModelRefused, predictor
from .statistics import Collected

HOOK_FAILED = 16
"""Behind the codes of Triton's errors: a hook has raised."""


class HookError(TritonError):
    """Why a hook gave no answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self._code = HOOK_FAILED


class NotReadable(Exception):
    """The body is not what its content type says."""


class ModelEndpoint:
    """What the class finds as `self.model_endpoint`: ClearML's attributes."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)

    def as_dict(self) -> dict[str, Any]:
        """Return all of them."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        return f"ModelEndpoint({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def endpoint_class(declared: dict[str, Any]) -> Any:
    """Return a model class for what is declared. See `naiad.core.user_code.endpoint` for the keys."""
    return type("Endpoint", (_Endpoint,), {"declared": declared})


class _Endpoint:
    """In the place of a TritonPythonModel."""

    declared: dict[str, Any]

    def __init__(self) -> None:
        declared = self.declared
        engine = declared["engine"]
        found = import_class(declared["code"])
        found.send_request = sending.send_async if engine == "custom_async" else sending.send
        self._hooks = made = make(found)
        made.model_endpoint = ModelEndpoint(declared["model_endpoint"])
        path = declared["model_file"] or None
        loaded = None
        if callable(getattr(made, "load", None)):
            try:
                loaded = finished(made.load(path))
            except BaseException as error:
                raise HookFailed(f"{CLASS}.load") from error
        self._process: Callable[..., Any]
        if engine == "triton":
            self._process = getattr(made, "process", None) or Attached(declared).process
        elif engine in ("custom", "custom_async"):
            self._process = getattr(made, "process", None) or _nothing
        else:
            self._process = predictor(engine, loaded, path)
        self._preprocess = getattr(made, "preprocess", None) or _unchanged
        self._postprocess = getattr(made, "postprocess", None) or _unchanged

    async def execute(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Answer requests; the server sends one at a time."""
        return [await self._answer(one) for one in requests]

    def finalize(self) -> None:
        """Call `unload`."""
        if callable(getattr(self._hooks, "unload", None)):
            finished(self._hooks.unload())

    async def _answer(self, request: InferenceRequest) -> InferenceResponse:
        times: dict[str, float] = {}
        held = _Held(self._run(request, times))
        response: InferenceResponse = await held
        report = {**times, "held": held.wall_s, "processor": held.processor_s}
        current().tell("ran", is_success=not response.has_error(), **report)
        return response

    async def _run(self, request: InferenceRequest, times: dict[str, float]) -> InferenceResponse:
        url, parameters = self.declared["url"], request._parameters or {}
        led_by = str(parameters.get(sending.CHAIN) or "")
        sending.chain.set(f"{led_by}{sending.BETWEEN if led_by else ''}{url}")
        sending.trace.set(request.trace())
        statistics = self.declared["statistics"]
        collected = Collected(statistics["variables"]) if random.random() < statistics["log_freq"] else None  # noqa: S311
        began = time.perf_counter()
        try:
            body = _read(request, is_json=bool(parameters.get(sending.IS_JSON)))
            state: dict[str, Any] = {}
            collect = None if collected is None else collected.update
            data = body
            for hook, run in (
                ("preprocess", self._preprocess),
                ("process", self._process),
                ("postprocess", self._postprocess),
            ):
                at = time.perf_counter()
                try:
                    data = run(data, state, collect)
                    if inspect.isawaitable(data):
                        data = await data
                finally:
                    times[hook] = time.perf_counter() - at
            answer = encode(data)
        except NotReadable as error:
            return InferenceResponse(error=TritonError(str(error), TritonError.INVALID_ARG))
        except ModelRefused as error:
            return InferenceResponse(error=TritonError(str(error)))
        except NotJson as error:
            current().log("ERROR", f"endpoint {url}: {error}")
            return InferenceResponse(error=HookError(f"Error [{ValueError}] processing request: {error}"))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 — hooks may raise anything, SystemExit included
            current().log("ERROR", f"endpoint {url} failed\n{shown(error)}")
            return InferenceResponse(error=HookError(f"Error [{type(error)}] processing request: {error}"))
        if collected is not None:
            values = collected.values(body, data)
            current().tell("collected", latency=time.perf_counter() - began, values=values)
        return InferenceResponse([Tensor(sending.BODY, np.frombuffer(answer, np.uint8))])


class _Held:
    """Awaits a coroutine and counts how long it held the thread: what it waited for meanwhile is left out."""

    def __init__(self, coroutine: Any) -> None:
        self.wall_s = 0.0
        self.processor_s = 0.0
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        step = partial(steps.send, None)
        while True:
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                waited_for = step()
            except StopIteration as end:
                return end.value
            finally:
                self.wall_s += time.perf_counter() - wall
                self.processor_s += time.thread_time() - processor
            try:
                step = partial(steps.send, (yield waited_for))
            except BaseException as error:  # noqa: BLE001 — handed on to the coroutine, as `yield from` does
                step = partial(steps.throw, error)


def _read(request: InferenceRequest, *, is_json: bool) -> Any:
    """Return the body as hooks get it: bytes, a dictionary, or None where there is none. Raises NotReadable."""
    body = request.inputs()[0].as_numpy().tobytes()
    if not body:
        return None
    if not is_json:
        return body
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotReadable(f"JSON decode error: {error}") from None
    if isinstance(document, str):
        return document.encode()
    if not isinstance(document, dict):
        raise NotReadable(f"the body must be a JSON object, not {_KINDS.get(type(document), 'a number')}")
    return document


_KINDS = {list: "an array", bool: "true or false", type(None): "null"}


def _unchanged(data: Any, *_: Any) -> Any:
    return data


def _nothing(*_: Any) -> None:
    return None
