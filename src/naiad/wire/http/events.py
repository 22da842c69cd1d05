"""An answer in the generate extension's form: one flat object, or server-sent events, one for each answer of a model.

The first answer decides the status of a stream; what goes wrong later arrives as an event (Triton, "Generate
Extension").
"""

from __future__ import annotations

from functools import partial
from typing import TypeGuard

import orjson

from naiad.core.errors import Failed, NaiadError
from naiad.core.message import Answer, Deliver
from naiad.protocol import generate
from naiad.protocol.status import http_status
from naiad.serving.outbox import Outbox
from naiad.serving.worker import SHORT_ELEMENTS, Worker
from naiad.wire.http.exchange import Exchange

EVENTS = b"text/event-stream; charset=utf-8"


def streamer(worker: Worker, exchange: Exchange) -> Deliver:
    """Answer with an event for each answer of the model."""
    outbox = Outbox(worker)

    def deliver(answer: Answer, is_final: bool) -> None:
        if (elements := long_elements(answer)) > 0:
            outbox.put_long(elements * 8, partial(encode, answer), partial(send, is_final))
        else:
            outbox.put(lambda: send(is_final, encode(answer)))

    def send(is_final: bool, body: bytes | NaiadError) -> None:
        if is_final and _is_refusal(body) and not exchange.is_streaming and exchange.on_abandon is None:
            exchange.refuse(body)  # before it was on its way: no stream begins
            return
        if not exchange.is_streaming:
            exchange.begin_stream(http_status(body) if isinstance(body, NaiadError) else 200, EVENTS)
        if isinstance(body, NaiadError):
            exchange.note(body)
            body = orjson.dumps({"error": body.message})
        elif body:
            exchange.note(None)
        if body:
            exchange.push(generate.event(body))
        if is_final:
            exchange.end_stream()

    return deliver


def long_elements(answer: Answer) -> int:
    """Elements of an answer that takes long to write, 0 of any other."""
    elements = 0 if isinstance(answer, NaiadError) else sum(tensor.data.size for tensor in answer.outputs)
    return elements if elements > SHORT_ELEMENTS else 0


def _is_refusal(body: bytes | NaiadError) -> TypeGuard[NaiadError]:
    return isinstance(body, NaiadError) and not isinstance(body, Failed)


def encode(answer: Answer) -> bytes | NaiadError:
    """Return the answer's object; nothing for one that is empty."""
    if isinstance(answer, NaiadError):
        return answer
    if answer.is_empty:
        return b""
    try:
        return generate.encode(answer)
    except NaiadError as error:
        return error
