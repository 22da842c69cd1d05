"""ModelInferRequests that are like one before but for their id and the bytes of their tensors.

Such a message is recognised by comparing the bytes around these, which takes a tenth of the time of decoding it. What a
message means does not depend on the others' bytes, so the same bytes around mean the same request. A message whose
tensors all lie in shared memory is nothing but such bytes, and looked up as a whole: clients write the parameters that
say where in any order, so one client's requests come in a dozen wordings.
"""

from __future__ import annotations

from itertools import pairwise

from naiad.core.client_memory import NO_MEMORY, ClientMemory
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest, RequestedOutput
from naiad.protocol.grpc.infer_request import decode, parse_request
from naiad.protocol.grpc.large import fields_of
from naiad.protocol.limits import Limits
from naiad.protocol.memory_form import LONGEST_BYTES, MemoryForm, memory_form_of
from naiad.protocol.recurring import MOST_KEPT, Recurring
from naiad.protocol.request_form import RequestForm, form_of
from naiad.protocol.shared_memory import REGION

_MODEL, _VERSION, _ID, _RAW_CONTENTS = 1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2, 7 << 3 | 2
"""Fields as they begin; all have a length."""
_MOST_AROUND_BYTES = 4096
_MOST_EXCHANGES = 8
"""A client that alternates between requests of the same model and length is only compared, not learnt, after these."""
_LONGEST_SHORT = 0x7F
_REGION = REGION.encode()

_Key = tuple[int, bytes]


class _Known:
    """A form and the bytes around what changes."""

    __slots__ = ("after_id", "before_id", "between", "exchanges", "form", "id_at", "id_end", "raw_at")

    def __init__(
        self, message: bytes, form: RequestForm, id_at: tuple[int, int], raw_at: list[tuple[int, int]]
    ) -> None:
        self.form = form
        self.id_at, self.id_end = id_at
        self.raw_at = raw_at[0][0]
        self.before_id = message[: self.id_at]
        self.after_id = message[self.id_end : self.raw_at]
        self.between = [(end, start, message[end:start]) for (_, end), (start, _) in pairwise(raw_at)]
        self.exchanges = 0

    def is_like(self, message: bytes) -> bool:
        """Whether a message of the same length differs only in its id and tensors."""
        if message[: self.id_at] != self.before_id or message[self.id_end : self.raw_at] != self.after_id:
            return False
        for start, end, between in self.between:  # noqa: SIM110 - half the time of a generator
            if message[start:end] != between:
                return False
        return True


class KnownMessages:
    """The messages that one server has learnt."""

    def __init__(self, limits: Limits, memory: ClientMemory = NO_MEMORY) -> None:
        """memory: where tensors are that are not in the messages."""
        self._limits = limits
        self._memory = memory
        self._known: Recurring[_Key, _Known] = Recurring()
        self._in_memory: Recurring[bytes, MemoryForm] = Recurring()
        """Keyed by the message without its id."""
        self._outputs: dict[tuple[RequestedOutput, ...], tuple[RequestedOutput, ...]] = {}

    def recall(self, message: bytes) -> InferRequest | None:
        """Return the request, if one like it was learnt; else it must be decoded."""
        known = self._known.get((len(message), message[: 2 + message[1]] if len(message) > 1 else b""))  # see `_key`
        if known is None or not known.is_like(message):
            return self._recall_in_memory(message) if self._in_memory and len(message) <= LONGEST_BYTES else None
        if known.id_at == known.id_end:
            return known.form.fill(message, "")
        try:
            return known.form.fill(message, message[known.id_at : known.id_end].decode())
        except UnicodeDecodeError:
            return None

    def learn(self, message: bytes, request: InferRequest) -> None:
        """Remember a message and the request that it was decoded to, if others can be like it."""
        if len(message) <= LONGEST_BYTES and _REGION in message:
            self._learn_in_memory(message)
            return
        key = _key(message)
        before = self._known.get(key)
        if before.exchanges >= _MOST_EXCHANGES if before else self._known.is_first(key):
            return
        places = _places(message)
        if places is None:
            return
        id_at, raw_at = places
        is_small = raw_at[0][0] <= _MOST_AROUND_BYTES and id_at[1] - id_at[0] <= self._limits.id_length
        form = form_of(request, message, raw_at) if is_small else None
        if form is not None:
            made = _Known(message, form, id_at, raw_at)
            made.exchanges = before.exchanges + 1 if before else 0
            self._known.keep(key, made)

    def _recall_in_memory(self, message: bytes) -> InferRequest | None:
        start, end = _id_place(message)
        form = self._in_memory.get(message[:start] + message[end:])
        if form is None or end - start > self._limits.id_length:
            return None
        try:
            return form.fill(message, message[start + 2 : end].decode())
        except (NaiadError, UnicodeDecodeError):
            return None  # the decoder says what is wrong

    def _learn_in_memory(self, message: bytes) -> None:
        """Remember a message that comes the second time, but for its id."""
        start, end = _id_place(message)
        key = message[:start] + message[end:]
        if self._in_memory.is_first(key) or _ID in [tag for tag, *_ in fields_of(key)] or not fields_of(key):
            return
        form = memory_form_of(lambda memory: decode(*parse_request(message), self._limits, memory), self._memory)
        if form is not None:
            if len(self._outputs) >= MOST_KEPT:
                self._outputs.clear()
            form.outputs = self._outputs.setdefault(form.outputs, form.outputs)
            self._in_memory.keep(key, form)


def _key(message: bytes) -> _Key:
    """Length and, in what clients send, the model's name; all bytes are compared afterwards."""
    return len(message), message[: 2 + message[1]] if len(message) > 1 else b""


def _id_place(message: bytes) -> tuple[int, int]:
    """Return where the field with the id begins and ends, if it stands in its place; else an empty place.

    Its content begins two bytes behind its beginning: longer ones than have a length of one byte are not recognised.
    """
    size = len(message)
    start = 0
    for tag in (_MODEL, _VERSION, _ID):
        if start + 1 >= size:
            break
        if message[start] != tag:
            continue
        length = message[start + 1]
        end = start + 2 + length
        if length > _LONGEST_SHORT or end > size:
            break
        if tag == _ID:
            return start, end
        start = end
    return 0, 0


def _places(message: bytes) -> tuple[tuple[int, int], list[tuple[int, int]]] | None:
    """Return where the id is (an empty place before everything if there is none) and the raw contents, in order.

    None for a message whose raw contents are not at its end, that has none, or that is not clear.
    """
    found = fields_of(message)
    ids = [(start, end) for tag, start, end in found if tag == _ID]
    raws = [(start, end) for tag, start, end in found if tag == _RAW_CONTENTS]
    if not raws or len(ids) > 1 or [tag for tag, *_ in found[-len(raws) :]] != [_RAW_CONTENTS] * len(raws):
        return None
    id_at = ids[0] if ids else (0, 0)
    return (id_at, raws) if id_at[1] <= raws[0][0] and raws[-1][1] == len(message) else None
