"""Headers that become request parameters, as `--http-header-forward-pattern` and its gRPC twin say.

Only names are matched. What the protocol or this server gives a meaning to cannot be set this way: such a header is an
error, because silently dropping it would leave its sender in a wrong belief. The header that opens a restricted feature
is never handed to a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest
from naiad.wire.name_pattern import NamePattern
from naiad.wire.restrictions import Gate

_RESERVED = frozenset(
    ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output")
)
_RESERVED_START = "triton_"
_BINARY_END = "-bin"
"""Of gRPC metadata that is not text."""


class Forwarding:
    """The headers that one door hands on."""

    def __init__(self, pattern: str, hidden: Iterable[str] = ()) -> None:
        """hidden: names, in lower case, that are handed on in no case. Raises InvalidConfiguration."""
        self._pattern = NamePattern(pattern)
        self._hidden = frozenset(hidden)

    @classmethod
    def of(cls, pattern: str, option: str, gate: Gate) -> Forwarding | None:
        """Return what an option's value means; None for an empty one. Raises InvalidConfiguration naming the option."""
        if not pattern:
            return None
        try:
            return cls(pattern, gate.headers)
        except InvalidConfiguration as error:
            raise InvalidConfiguration(f"{option}: {error.message}") from error

    def add_headers(self, request: InferRequest, headers: Mapping[bytes, bytes]) -> None:
        """Add what matches to the request's parameters, under names as they were written, as Triton does.

        Raises InvalidRequest for a reserved name.
        """
        written: Mapping[bytes, bytes] = getattr(headers, "written", None) or {}
        for name, value in headers.items():
            self._add(request, name.decode("latin-1"), value, written.get(name, name).decode("latin-1"))

    def add_metadata(self, request: InferRequest, metadata: Mapping[str, str]) -> None:
        """See `add_headers`; metadata that are not text are left out."""
        for name, value in metadata.items():
            if not name.endswith(_BINARY_END):
                self._add(request, name, value, name)

    def _add(self, request: InferRequest, name: str, value: bytes | str, written: str) -> None:
        if not self._pattern.matches(name) or name in self._hidden:
            return
        if name.startswith(_RESERVED_START) or name in _RESERVED:
            raise InvalidRequest(f"Header '{written}' is reserved for Triton usage and cannot be forwarded.")
        request.parameters = {**request.parameters, written: value if isinstance(value, str) else _text(value)}


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
