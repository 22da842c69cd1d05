"""Tracing of gRPC's inference calls; called only while it is on."""

from __future__ import annotations

from naiad.core.message import InferRequest, Respond
from naiad.core.trace import TracedDoor
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.wire.grpc.call import Call


def follow(tracing: Tracing, call: Call, request: InferRequest, respond: Respond) -> Respond:
    """Return what takes the answers of a request that may be traced, in place of `respond`."""
    caller = read_caller(call.metadata.get("traceparent"), call.metadata.get("tracestate"))
    return tracing.follow(request, respond, TracedDoor.GRPC, caller, call.begun_s)
