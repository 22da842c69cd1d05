"""Headers that become request parameters, as `--http-header-forward-pattern` and its gRPC twin say.

Only names are matched, as they were sent, by RE2 as in Triton, in time linear in the name, which a client chooses. What
the protocol or this server gives a meaning to cannot be set this way: such a header is an error, because silently
dropping it would leave its sender in a wrong belief. The header that opens a restricted feature is never handed to a
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest
from naiad.wire.restrictions import Gate

_RESERVED = frozenset(
    ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output")
)
_RESERVED_START = "triton_"
_BINARY_END = "-bin"
"""Ending of the name of gRPC metadata that is not text."""

_REMEMBERED, _LONGEST_REMEMBERED = 1024, 256
"""Names whose answer is kept, as clients send the same few, and their characters."""


class Forwarding:
    """The headers that one door hands on."""

    def __init__(self, pattern: str, hidden: Iterable[str] = ()) -> None:
        """hidden: names, in lower case, that are handed on in no case. Raises InvalidConfiguration."""
        self._search = _search(pattern)
        self._recall = lru_cache(_REMEMBERED)(self._search)
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

    def chosen(self, headers: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return the headers that `add_headers` would take, under names as they were written."""
        written: Mapping[bytes, bytes] = getattr(headers, "written", None) or {}
        request = InferRequest("")
        self.add_headers(request, headers)
        names = [name for name in headers if written.get(name, name).decode("latin-1") in request.parameters]
        return {written.get(name, name): headers[name] for name in names}

    def add_metadata(self, request: InferRequest, metadata: Mapping[str, str]) -> None:
        """See `add_headers`; metadata that are not text are left out."""
        for name, value in metadata.items():
            if not name.endswith(_BINARY_END):
                self._add(request, name, value, name)

    def _add(self, request: InferRequest, name: str, value: bytes | str, written: str) -> None:
        matches = self._recall if len(written) <= _LONGEST_REMEMBERED else self._search
        if not matches(written) or name in self._hidden:
            return
        if name.startswith(_RESERVED_START) or name in _RESERVED:
            raise InvalidRequest(f"Header '{written}' is reserved for Triton usage and cannot be forwarded.")
        request.parameters = {**request.parameters, written: value if isinstance(value, str) else _text(value)}


def _search(pattern: str) -> Callable[[str], bool]:
    """Return whether a name holds what the pattern says, in either case unless it says `(?-i)` (Triton: PartialMatch).

    Raises InvalidConfiguration for what RE2 does not take: look-around and back-references, for example.
    """
    import re2

    options = re2.Options()
    options.case_sensitive, options.never_capture, options.log_errors = False, True, False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error, re2.error) else "it is not Unicode"
        raise InvalidConfiguration(f"'{pattern}' is not a pattern for headers: {reason}") from error
    return lambda name: compiled.search(name) is not None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
