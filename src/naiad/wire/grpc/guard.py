"""The gate in front of the servicer: calls to restricted features need the agreed metadata.

The HTTP door has the same in its router. What is restricted, and by what, is `naiad.wire.restrictions`.
"""

from __future__ import annotations

from naiad.observe.logs.control import LogControl
from naiad.wire.grpc.call import Call, Serve
from naiad.wire.grpc.features import feature_of
from naiad.wire.grpc.request_log import noted
from naiad.wire.restrictions import Gate, Password

GRPC_PREFIX = "triton-grpc-protocol-"
"""Stands before the key in the metadata of a call, as in Triton."""


def guard(serve: Serve, gate: Gate, logs: LogControl | None = None) -> Serve:
    """Return `serve` behind the gate; itself when nothing is restricted, so that being open costs nothing.

    A method that belongs to no feature is unknown to the server. logs: whether calls that are turned away get a line.
    """
    if gate.is_open:
        return serve
    logs = logs or LogControl()

    def refuse(call: Call, status: str, message: str) -> None:
        (noted(call) if logs.is_verbose else call).finish(status, message)

    def admit(call: Call) -> None:
        feature = feature_of(call.method)
        if feature is None:
            refuse(call, "UNIMPLEMENTED", f"there is no method {call.method}")
            return
        password = gate.password_of(feature)
        if password is None or _has(call, password):
            serve(call)
        else:
            refuse(call, "UNAVAILABLE", f"This protocol is restricted, expecting header '{password.shown}'")

    return admit


def _has(call: Call, password: Password) -> bool:
    given = call.metadata.get(password.header)
    return password.is_in(None if given is None else given.encode(errors="surrogatepass"))
