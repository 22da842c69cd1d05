"""Bodies of `/infer` whose JSON part is byte for byte one that came before, all tensors being behind it.

That is how clients with binary tensors ask: looking the JSON part up takes a tenth of the time of parsing it. Bodies
that are nothing but JSON are known where all their tensors lie in shared memory.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

from naiad.core.client_memory import NO_MEMORY, ClientMemory
from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.limits import Limits
from naiad.protocol.memory_form import LONGEST_BYTES, MemoryForm, memory_form_of
from naiad.protocol.recurring import Recurring
from naiad.protocol.request_form import RequestForm, form_of
from naiad.protocol.shared_memory import REGION

_LONGEST_HEADER_BYTES = 4096

_REGION = REGION.encode()

_Key = tuple[str, str, int, bytes]
"""Model, version, length of the body, JSON part."""


class KnownBodies:
    """The bodies that one server has learnt."""

    def __init__(self, limits: Limits | None = None, memory: ClientMemory = NO_MEMORY) -> None:
        """memory: where tensors are that are not in the bodies."""
        self._limits = limits or Limits()
        self._memory = memory
        self._known: Recurring[_Key, tuple[RequestForm | MemoryForm, bool]] = Recurring()
        """A JSON part that has an id of its own never comes again and is not learnt."""

    def recall(self, model: str, version: str, body: bytes, header_length: int) -> tuple[InferRequest, bool] | None:
        """Return what `infer_json.decode` would, if it was learnt; else the body must be decoded."""
        known = self._known.get((model, version, len(body), body[:header_length]))
        if known is None:
            return None
        form, binary_default = known
        try:
            return form.fill(body, form.id), binary_default
        except NaiadError:
            return None  # the decoder says what is wrong

    def may_know(self, body: bytes) -> bool:
        """Whether it is worth looking up a body that has no binary part."""
        return len(body) <= LONGEST_BYTES and _REGION in body

    def learn(self, request: InferRequest, binary_default: bool, body: bytes, header_length: int) -> None:
        """Remember a body and what it was decoded to, if it is all binary and comes the second time."""
        if header_length + len(request.model_name) > _LONGEST_HEADER_BYTES:
            return
        key = (request.model_name, request.model_version, len(body), body[:header_length])
        if self._known.is_first(key):
            return
        form: RequestForm | MemoryForm | None
        if header_length == len(body):
            form = self._form_in_memory(request, body) if self.may_know(body) else None
        else:
            form = _form_in_body(request, body, header_length)
        if form is not None:
            self._known.keep(key, (form, binary_default))

    def _form_in_memory(self, request: InferRequest, body: bytes) -> MemoryForm | None:
        def decode(memory: ClientMemory) -> InferRequest:
            return infer_json.decode(request.model_name, request.model_version, body, len(body), self._limits, memory)[
                0
            ]

        return memory_form_of(decode, self._memory)


def _form_in_body(request: InferRequest, body: bytes, header_length: int) -> RequestForm | None:
    ends = accumulate((tensor.data.nbytes for tensor in request.inputs.values()), initial=header_length)
    places = list(pairwise(ends))
    return form_of(request, body, places) if places and places[-1][1] == len(body) else None
