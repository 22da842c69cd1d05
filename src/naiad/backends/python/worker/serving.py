"""The worker's main thread: takes one order after the other and replies."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

from . import link as links
from . import triton_python_backend_utils, wire
from .batches import Batches, Ran
from .forms import Read, Written, read_order, write_reply
from .link import Link, dumps, loads
from .model import BadModel, HookFailed, Model, complete, import_model
from .process import leave, prepare
from .receiving import take_orders
from .regions import Mapped, Owned
from .shown import shown
from .streaming import Streaming
from .tensors import Packed, Unpacked
from .wire import Channel, Message


def main(run: int, side: int, parent: int) -> None:
    """Serve until the server says that it is over, or is gone."""
    prepare(parent, [run, side])
    for name in ("triton_python_backend_utils", "c_python_backend_utils"):
        sys.modules[name] = triton_python_backend_utils
    channels = [Channel(socket.socket(fileno=one), dumps, loads, is_writable=True) for one in (run, side)]
    link = Link(channels[1])
    links.set_current(link)
    threading.Thread(target=_serve_side, args=[link], name="server", daemon=True).start()
    take_orders(channels[0], Worker(channels[0], link).take)


def _serve_side(link: Link) -> None:
    """The server's end of the side channel is closed only when it wants this process to end."""
    try:
        link.serve()
    finally:
        leave(1)


class Worker:
    """One model in this process, or none yet."""

    def __init__(self, run: Channel, link: Link) -> None:
        self._run = run
        self._link = link
        self._owned = Owned()
        self._mapped = Mapped(is_writable=True)
        self._forms, self._written = Read(), Written()
        """Of requests, and of answers."""
        self._model: Model | None = None
        self._batches: Batches | None = None
        self._streaming: Streaming | None = None

    def take(self, message: Message) -> bool:
        """Carry out an order and reply; False: it was the last."""
        if message.kind == wire.EXECUTE_FORMED:
            self._execute_formed(message)
            return True
        if message.kind == wire.EXECUTE:
            self._execute(message)
            return True
        if message.kind == wire.FORM:
            self._forms.learn(message.header)
            return True
        if message.kind == wire.ANSWER:  # of a request that the model waits for no more
            Unpacked(message, self._mapped)
            return True
        do = {wire.LOAD: self._load, wire.COMPLETE: self._complete, wire.FINALIZE: self._finalize}[message.kind]
        try:
            reply = do(message.header)
        except BaseException as error:  # noqa: BLE001 — model code may raise anything, SystemExit included
            self._run.send(wire.FAILED, _failure(error))
        else:
            self._run.send(wire.DONE, reply)
        return message.kind == wire.LOAD

    def _load(self, header: dict[str, Any]) -> dict[str, Any]:
        config, args = header["config"], header["args"]
        self._link.instance = args["model_instance_name"]
        model = Model(_model_class(header), args)
        streams = model.is_async or header["decoupled"]
        instance = args["model_instance_name"]
        self._model = model
        self._batches = Batches(
            self._link, model, instance, config["outputs"], is_decoupled=header["decoupled"], streams=streams
        )
        if streams:
            self._streaming = Streaming(self._link, self._batches, instance)
        self._link.on_ask = self._asked
        if not model.is_async:
            self._link.take_answers(self._run, self._mapped)
        self._link.is_serving = True
        return {"facts": {"streams": streams, "is_async": model.is_async, "has_is_ready": model.has_is_ready}}

    def _complete(self, header: dict[str, Any]) -> dict[str, Any]:
        return {"config": complete(import_model(*header["model"]), header["config"])}

    def _finalize(self, _: dict[str, Any]) -> dict[str, Any]:
        self._link.is_serving = False
        if self._model is not None:
            self._model.finalize()
        return {}

    def _execute(self, message: Message) -> None:
        assert self._batches is not None
        unpacked = Unpacked(message, self._mapped)
        if self._streaming is not None:
            self._streaming.run(message.header, unpacked)
            return
        number = message.header["b"]
        self._reply(number, self._batches.run(*self._batches.requests(message.header, unpacked)))

    def _execute_formed(self, message: Message) -> None:
        assert self._batches is not None
        number, rows = read_order(message.header, self._forms)
        self._reply(number, self._batches.run(*self._batches.formed(number, rows, message)))

    def _reply(self, number: int, ran: Ran) -> None:
        """Answer a batch, in forms if its answers have some."""
        formed = ran.formed(self._written, self._run)
        if formed is not None:
            forms, pieces = formed
            self._run.send(wire.DONE_FORMED, write_reply(number, ran.began_s, ran.ended_s, forms), pieces)
            return
        packed = Packed(self._owned)
        packed.send(self._run, wire.DONE, {"b": number, "a": ran.rows(packed), "t": [ran.began_s, ran.ended_s]})

    def _asked(self, what: str, _: Any) -> Any:
        assert self._model is not None
        if what == "is_ready":
            return self._model.is_ready()
        raise ValueError(f"nobody knows '{what}' here")


def _model_class(header: dict[str, Any]) -> Any:
    """Import what is to run: the class of a model.py, or what stands in its place for an endpoint's code."""
    if "endpoint" not in header:
        return import_model(*header["model"])
    from .endpoint.answering import endpoint_class  # needs asyncio and json, which other models may not

    return endpoint_class(header["endpoint"])


def _failure(error: BaseException) -> dict[str, Any]:
    """Say what model code raised, and where."""
    if isinstance(error, BadModel):
        return {"error": str(error), "traceback": ""}
    cause = error.__cause__ if isinstance(error, HookFailed) and error.__cause__ is not None else error
    stage = "model.py cannot be imported" if cause is error else f"{error} failed"
    return {"error": f"{stage}: {type(cause).__name__}: {cause}", "traceback": shown(cause)}
