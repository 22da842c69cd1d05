"""Requests and answers as nearly all are: a few small tensors, of names and shapes that have come before.

Who writes tells the other end of each such form once, in a message FORM; from then on its number stands for names,
datatypes, shapes and the outputs that are wanted, and only the tensors' bytes travel, one after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import wire
from .datatypes import NUMPY
from .wire import ALIGNMENT, Channel, Garbled

MOST = 1024
"""Forms of one end; what comes in more shapes than that travels with its names."""

MOST_TENSORS = 64

MOST_BYTES = 16 * 1024
"""Of one request's or answer's tensors."""

MOST_TOGETHER_BYTES = 64 * 1024
"""Of all tensors of a message."""

MOST_TOGETHER = 1024
"""Requests in a message."""

ORDER = struct.Struct("<QI")
"""How a batch begins: its number, how many requests. Then, for each, its form and the length of its id; then ids."""

REPLY = struct.Struct("<QddI")
"""How its answers begin: its number, when it began to run and when it ended, how many answers. Then their forms."""

Key = tuple[Any, ...]
"""Names of the wanted outputs, then for each tensor its name, datatype, dtype and shape."""


class Form:
    """One form; raises ValueError, TypeError, KeyError where it makes none."""

    __slots__ = ("fits", "names", "number", "outputs", "pads", "size", "tensors")

    def __init__(self, number: int, outputs: Sequence[str], tensors: Sequence[Sequence[Any]]) -> None:
        """tensors: name, datatype and shape of each."""
        self.number = number
        self.outputs = list(outputs)
        self.tensors: list[tuple[str, str, Any, tuple[int, ...], int]] = []
        """Name, datatype, dtype, shape, and where it begins among the bytes of all."""
        self.pads: list[bytes] = []
        """What follows each."""
        self.fits: set[int] = set()
        """By the server: batch sizes of requests for which an answer of this form is right."""
        self.size = 0
        for name, datatype, shape in tensors:
            dtype, count = NUMPY[datatype], 1
            for dim in shape:
                if type(dim) is not int or dim < 0:
                    raise ValueError(f"{dim!r} is no dimension")
                count *= dim
            size = count * dtype.itemsize
            if datatype == "BYTES" or type(name) is not str or size > MOST_BYTES:
                raise ValueError(f"'{name}' cannot be part of a form")
            self.tensors.append((name, datatype, dtype, tuple(shape), self.size))
            self.pads.append(bytes(-size % ALIGNMENT))
            self.size += size + -size % ALIGNMENT
        if self.size > MOST_BYTES or len(self.tensors) > MOST_TENSORS:
            raise ValueError("there is too much in it for a form")
        self.names = frozenset(one[0] for one in self.tensors)

    def arrays(self, frame: Any, at: int) -> list[Any]:
        """Return the tensors' data, which stays in the frame. Raises ValueError, TypeError where it is too short."""
        return [np.ndarray(shape, dtype, frame, at + begin) for _, _, dtype, shape, begin in self.tensors]


class Written:
    """The forms that one end writes, and has told the other end of."""

    def __init__(self) -> None:
        self._known: dict[Key, Form | None] = {}
        self._count = 0

    def find(self, key: Key, channel: Channel) -> Form | None:
        """Return a form, telling the other end of a new one; None where it cannot be one. Raises OSError."""
        try:
            return self._known[key]
        except KeyError:
            return self._make(key, channel)

    def _make(self, key: Key, channel: Channel) -> Form | None:
        if len(self._known) >= 2 * MOST or self._count >= MOST:
            return None
        outputs, *tensors = key
        form = None
        try:
            if all(NUMPY[datatype] == dtype for _, datatype, dtype, _ in tensors):
                form = Form(self._count, outputs, [(name, datatype, shape) for name, datatype, _, shape in tensors])
        except ValueError:
            pass
        if form is not None:
            rows = [[name, datatype, list(shape)] for name, datatype, _, shape, _ in form.tensors]
            channel.send(wire.FORM, {"n": form.number, "o": form.outputs, "t": rows})
            self._count += 1
        self._known[key] = form
        return form


class Read:
    """The forms that one end has been told of."""

    def __init__(self) -> None:
        self._forms: list[Form] = []

    def __getitem__(self, number: int) -> Form:
        return self._forms[number]

    def learn(self, header: dict[str, Any]) -> None:
        """Take a FORM message. Raises Garbled."""
        try:
            form = Form(header["n"], header["o"], header["t"])
        except (ValueError, TypeError, KeyError) as error:
            raise Garbled(f"a form makes no sense: {error}") from error
        if form.number != len(self._forms) or form.number >= MOST:
            raise Garbled(f"a form has the number {form.number}")
        self._forms.append(form)


def write_order(number: int, forms: Sequence[Form], ids: Sequence[bytes]) -> bytes:
    """Return the header of a batch."""
    fields = [field for form, one in zip(forms, ids) for field in (form.number, len(one))]
    return ORDER.pack(number, len(forms)) + struct.pack(f"<{len(fields)}H", *fields) + b"".join(ids)


def read_order(header: bytes, forms: Read) -> tuple[int, list[tuple[Form, str]]]:
    """Return a batch's number, and each request's form and id."""
    number, count = ORDER.unpack_from(header)
    fields = struct.unpack_from(f"<{2 * count}H", header, ORDER.size)
    found, at = [], ORDER.size + 4 * count
    for index in range(0, 2 * count, 2):
        length = fields[index + 1]
        found.append((forms[fields[index]], header[at : at + length].decode("utf-8") if length else ""))
        at += length
    return number, found


def write_reply(number: int, began_s: float, ended_s: float, forms: Sequence[Form]) -> bytes:
    """Return the header of the answers of a batch."""
    count = len(forms)
    return REPLY.pack(number, began_s, ended_s, count) + struct.pack(f"<{count}H", *[form.number for form in forms])


def read_reply(header: bytes, forms: Read) -> tuple[float, float, list[Form]]:
    """Return when a batch began to run and ended, and the forms of its answers. Raises Garbled."""
    try:
        _, began_s, ended_s, count = REPLY.unpack_from(header)
        if count > MOST_TOGETHER:
            raise Garbled(f"there are {count} answers")
        return began_s, ended_s, [forms[number] for number in struct.unpack_from(f"<{count}H", header, REPLY.size)]
    except (struct.error, IndexError) as error:
        raise Garbled(f"a reply makes no sense: {error}") from error
