"""The doors without ports: for programs and servers that own the sockets, and hand over what came through them."""

from __future__ import annotations

from naiad.wire.door import DoorNeeds
from naiad.wire.grpc.door import servicer_of
from naiad.wire.grpc.in_process import GrpcCalls
from naiad.wire.http.door import asgi_door


class InProcess:
    """Both v2 doors of one server, used on its event loop."""

    def __init__(self, needs: DoorNeeds) -> None:
        """Raise InvalidConfiguration for settings and files that cannot be used."""
        self.asgi = asgi_door(needs)
        """An ASGI 3 application that answers as the HTTP door does."""
        self._servicer, serve = servicer_of(needs)
        self.grpc = GrpcCalls(serve, needs.services.waiting)
        """Answers calls as the gRPC door does."""

    async def finish(self) -> None:
        """Return when every answer has been handed over; for a server whose requests are all answered."""
        self._servicer.end_streams()
        await self.wait_idle()

    async def wait_idle(self) -> None:
        """Return when nothing is under way, from the first byte of a request to the last of its answer."""
        await self.asgi.running.wait_idle()
        await self.grpc.running.wait_idle()
