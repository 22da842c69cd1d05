"""The worker's end of the side channel: what model code sends at any time, from any thread, and what comes back.

One `Link` per process; `current()` gives it to the classes that model code uses.
"""

from __future__ import annotations

import itertools
import json
import threading
import weakref
from collections.abc import Callable
from typing import Any, Optional

from . import wire
from .api.errors import TritonModelException
from .regions import Mapped, Owned
from .tensors import Packed, Unpacked
from .wire import Channel

Handler = Callable[[dict[str, Any], Optional[Unpacked]], None]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


_decode = json.JSONDecoder().decode


def loads(text: bytes | bytearray) -> Any:
    """Read JSON; a third quicker for short texts than `json.loads`, which looks for their encoding first."""
    return _decode(text.decode("utf-8"))


def dumps(value: Any) -> bytes:
    """Write JSON; what cannot be UTF-8 is replaced, so that no text of a model can break a message."""
    return _encode(value).encode("utf-8", "replace")


class Link:
    """What leads out of this process."""

    def __init__(self, side: Channel) -> None:
        self.side = side
        self.owned = Owned()
        self.instance = ""
        """Name of the instance, for errors."""
        self.is_serving = False
        """Whether requests to other models are allowed: not in `initialize` and `finalize`, as in Triton."""
        self.streams: weakref.WeakValueDictionary[tuple[int, int], Any] = weakref.WeakValueDictionary()
        """By batch and request: who is to learn that a request was withdrawn, and is still of interest."""
        self.running: dict[tuple[int, int], Any] = {}
        """The same for the requests of the batch that runs, where there is one at a time."""
        self.on_ask: Callable[[str, Any], Any] = _nothing
        """Answers what the server asks of the model; each question in a thread of its own."""
        self._orders: tuple[Channel, Mapped] | None = None
        self._main = 0
        """The thread that takes orders."""
        self._mapped = Mapped(is_writable=True)
        self._waiting: dict[int, Handler] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def send(self, kind: int, header: dict[str, Any], packed: Packed | None = None) -> None:
        """Send a message; a server that is gone is no error of the model's."""
        try:
            if packed is None:
                self.side.send(kind, header)
            else:
                packed.send(self.side, kind, header)
        except OSError:
            return

    def packed(self) -> Packed:
        """Return an empty packet for tensors."""
        return Packed(self.owned)

    def expect(self, handler: Handler) -> int:
        """Return a new number; `handler` gets each message with it, on the receiving thread, until `forget`."""
        number = self.number()
        with self._lock:
            self._waiting[number] = handler
        return number

    def number(self) -> int:
        """Return a new number of which nothing comes by the side channel."""
        return next(self._numbers)

    def take_answers(self, orders: Channel, mapped: Mapped) -> None:
        """Let this thread read answers where orders come in, while it carries one out: no other need wake it then."""
        self._orders, self._main = (orders, mapped), threading.get_ident()

    @property
    def can_take_answers(self) -> bool:
        """Whether this is the thread that takes orders, which gets none before it has carried out the one at hand."""
        return threading.get_ident() == self._main

    def answer(self, number: int) -> tuple[dict[str, Any], Unpacked]:
        """Wait for the one answer to a request, in the thread that takes orders. Raises TritonModelException."""
        assert self._orders is not None
        channel, mapped = self._orders
        while (message := channel.receive()) is not None:
            unpacked = Unpacked(message, mapped)
            if message.kind == wire.ANSWER and message.header.get("c") == number:
                return message.header, unpacked
        raise TritonModelException("the server is gone")

    def forget(self, number: int) -> None:
        """Expect nothing more with a number."""
        with self._lock:
            self._waiting.pop(number, None)

    def ask(self, what: str, **arguments: Any) -> Any:
        """Ask the server, and wait for what it replies. Raises TritonModelException with its error."""
        came = threading.Event()
        reply: dict[str, Any] = {}

        def handle(header: dict[str, Any], _: Unpacked | None) -> None:
            reply.update(header)
            came.set()

        number = self.expect(handle)
        try:
            self.send(wire.ASK, {"c": number, "what": what, "with": arguments})
            came.wait()
        finally:
            self.forget(number)
        if reply.get("e"):
            raise TritonModelException(reply["e"])
        return reply.get("is")

    def tell(self, what: str, **arguments: Any) -> None:
        """Tell the server something that has no reply."""
        self.send(wire.ASK, {"c": 0, "what": what, "with": arguments})

    def log(self, level: str, text: str) -> None:
        """Write a line to the server's log."""
        self.send(wire.LOG, {"level": level, "text": text})

    def serve(self) -> None:
        """Take what the server sends, until it is gone."""
        while (message := self.side.receive()) is not None:
            header, number = message.header, message.header.get("c", 0)
            if message.kind == wire.WITHDRAWN:
                key = (header["b"], header["i"])
                stream = self.running.get(key) or self.streams.get(key)
                if stream is not None:
                    stream.withdraw()
            elif message.kind == wire.TAKEN:
                stream = self.streams.get((header["b"], header["i"]))
                if stream is not None:
                    stream.note_taken(header["n"])
            elif message.kind == wire.ASK:
                threading.Thread(target=self._answer, args=[header], daemon=True).start()
            else:
                unpacked = Unpacked(message, self._mapped)
                handler = self._waiting.get(number)
                if handler is not None:
                    handler(header, unpacked)
                del unpacked, handler  # or tensors would live until the next message

    def _answer(self, header: dict[str, Any]) -> None:
        try:
            value, error = self.on_ask(header["what"], header["with"]), None
        except BaseException as raised:  # noqa: BLE001 — model code may raise anything
            value, error = None, f"{type(raised).__name__}: {raised}"
        self.send(wire.REPLY, {"c": header["c"], "is": value, "e": error})


_link: list[Link] = []


def current() -> Link:
    """Return the link of this process. Raises TritonModelException in one that is no worker."""
    if not _link:
        raise TritonModelException("this works only inside a model that a server runs")
    return _link[0]


def set_current(link: Link) -> None:
    """Make a link the one of this process."""
    _link[:] = [link]


def _nothing(what: str, _: Any) -> Any:
    raise ValueError(f"there is nothing to ask for '{what}' yet")
