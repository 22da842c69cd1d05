"""The shared memory extensions over HTTP: which regions there are, registering and unregistering them."""

from __future__ import annotations

from naiad.core.settings.features import Feature
from naiad.protocol.limits import Limits
from naiad.protocol.shared_memory import check_cuda_registration, read_registration
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.wire.http.answering import read_document, reading_beside, safe, send_json
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services

_JSON = b"application/json"
_SYSTEM = r"/v2/systemsharedmemory(?:/region/(?P<name>[^/]+))?"
_CUDA = r"/v2/cudasharedmemory(?:/region/(?P<name>[^/]+))?"


def shared_memory_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes below /v2/systemsharedmemory and /v2/cudasharedmemory."""
    memory = services.memory
    calls = _Calls(memory, limits)
    feature = Feature.SHARED_MEMORY
    register, register_cuda = (
        reading_beside(services.engine.worker, limits, safe(call)) for call in (calls.register, calls.register_cuda)
    )
    return [
        route(_SYSTEM + "/status", feature, GET=safe(calls.status)),
        route(_SYSTEM + "/register", feature, POST=register),
        route(_SYSTEM + "/unregister", feature, POST=safe(calls.unregister)),
        route(_CUDA + "/status", feature, GET=safe(calls.status_cuda)),
        route(_CUDA + "/register", feature, POST=register_cuda),
        route(_CUDA + "/unregister", feature, POST=safe(calls.unregister_cuda)),
    ]


class _Calls:
    def __init__(self, memory: SharedMemory, limits: Limits) -> None:
        self._memory = memory
        self._limits = limits

    def status(self, exchange: Exchange, name: str = "") -> None:
        send_json(exchange, self._memory.status(name))

    def register(self, exchange: Exchange, name: str = "") -> None:
        self._memory.check_register(name)
        self._memory.register(name, *read_registration(read_document(exchange, self._limits)))
        exchange.answer(200, content_type=_JSON)

    def unregister(self, exchange: Exchange, name: str = "") -> None:
        self._memory.unregister(name)
        exchange.answer(200, content_type=_JSON)

    def status_cuda(self, exchange: Exchange, name: str = "") -> None:
        send_json(exchange, self._memory.status_cuda(name))

    def register_cuda(self, exchange: Exchange, name: str = "") -> None:
        self._memory.check_register_cuda(name)
        check_cuda_registration(read_document(exchange, self._limits))
        self._memory.register_cuda(name)
        exchange.answer(200, content_type=_JSON)

    def unregister_cuda(self, exchange: Exchange, name: str = "") -> None:
        self._memory.unregister_cuda(name)
        exchange.answer(200, content_type=_JSON)
