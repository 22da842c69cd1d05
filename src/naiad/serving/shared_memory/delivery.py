"""Puts outputs into the memory that their request named."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.core.client_memory import OutputMemory
from naiad.core.errors import Failed
from naiad.core.message import InferResponse
from naiad.protocol import binary


def write_outputs(response: InferResponse, places: Mapping[str, OutputMemory]) -> None:
    """Write all outputs that have a place (by output name), or none: sizes are checked before.

    Raises Failed where there is too little room, and what the memory raises.
    """
    pending: list[tuple[OutputMemory, bytes | memoryview]] = []
    for tensor in response.outputs:
        place = places.get(tensor.name)
        if place is None:
            continue
        raw = binary.view(tensor)
        if len(raw) > place.byte_size:
            raise Failed(
                f"shared memory size specified with the request for output '{tensor.name}' ({place.byte_size} bytes) "
                f"should be at least {len(raw)} bytes to hold the results",
                tensor=tensor.name,
            )
        pending.append((place, raw))
    for place, raw in pending:
        place.write(raw)
    response.stored = frozenset(places)
