"""Whose values count, and which requests they pick: the server's own, and those of single models.

Pure bookkeeping on the event loop's thread; nothing here knows of files or spans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from naiad.core.errors import InvalidRequest
from naiad.observe.trace.settings import FIELDS, Change, TraceValues

_INVALID = "Attempting to set invalid trace setting :"


class Sampler:
    """Picks one request of so many, until it has picked enough."""

    __slots__ = ("_left", "_seen", "is_replaced", "under_way", "values")

    def __init__(self, values: TraceValues) -> None:
        self.values = values
        self._left = values.count
        self._seen = 0
        self.is_replaced = False
        """Newer values are in force."""
        self.under_way = 0
        """Traces begun and not finished; counted by who begins them."""

    @property
    def left(self) -> int:
        """How many more it will pick; -1 = no end."""
        return self._left

    @property
    def is_live(self) -> bool:
        """Whether it can still pick anything."""
        return bool(self.values.level) and self._left != 0

    @property
    def is_done(self) -> bool:
        """Whether no more traces will come."""
        return not self.under_way and (self.is_replaced or not self.is_live)

    def try_pick(self, *, is_wanted: bool) -> bool:
        """Count a request and say whether to trace it. is_wanted: its caller traces it, so that the rate is ignored."""
        if not self.values.level:
            return False
        is_due = False
        if self._left and self.values.rate:
            self._seen += 1
            is_due = self._seen % self.values.rate == 0
            if is_due and self._left > 0:
                self._left -= 1
        return is_due or is_wanted


@dataclass(frozen=True, slots=True)
class Rules:
    """What values must be besides well-formed."""

    makes_spans: bool = False
    has_file: bool = False

    def check(self, values: TraceValues) -> None:
        """Raise InvalidRequest for values that would trace and cannot; the words for files are Triton's."""
        if not values.level:
            return
        if self.makes_spans:
            if "TIMESTAMPS" not in values.level:
                raise InvalidRequest(
                    _INVALID + "mode opentelemetry needs TIMESTAMPS; TENSORS works only with mode triton"
                )
            return
        if not values.rate:
            raise InvalidRequest(_INVALID + "sample rate must be non-zero")
        if not self.has_file:
            raise InvalidRequest(_INVALID + "trace file name is not given")


class _Scope:
    """The server, or one model."""

    def __init__(self, own: dict[str, Any], sampler: Sampler) -> None:
        self.own = own
        """Values that it was given, by field name; the others are those of the scope above."""
        self.sampler = sampler


class Samplers:
    """The samplers of the server and of the models that have values of their own."""

    def __init__(self, values: TraceValues, rules: Rules) -> None:
        """values: those of the start, to which the server's come back when cleared. Raises InvalidRequest."""
        rules.check(values)
        self._start = values
        self._rules = rules
        self._server = _Scope({}, Sampler(values))
        self._models: dict[str, _Scope] = {}

    @property
    def is_live(self) -> bool:
        """Whether any request could be picked."""
        return any(sampler.is_live for sampler in self.all())

    def all(self) -> Iterable[Sampler]:
        """Return every sampler in force."""
        yield self._server.sampler
        for scope in self._models.values():
            yield scope.sampler

    def of(self, model: str) -> Sampler:
        """Return the sampler for requests to a model; empty name: the server's."""
        return self._models.get(model, self._server).sampler

    def change(self, model: str, change: Change) -> list[Sampler]:
        """Change the values of a model or (empty name) the server; returns the samplers that were replaced.

        All of it is done or, raising InvalidRequest, none.
        """
        if model:
            scope = self._models.get(model)
            own = _changed(scope, change)
            changed = {model: self._make(own, self._server.sampler)} if own else {}
            return self._put(changed, [scope] if scope is not None else [], {model})
        server = _Scope(_changed(self._server, change), self._server.sampler)
        server.sampler = self._make(server.own, Sampler(self._start)).sampler
        changed = {name: self._make(_kept(scope), server.sampler) for name, scope in self._models.items()}
        replaced = self._put(changed, [self._server, *self._models.values()], set())
        self._server = server
        return replaced

    def _make(self, own: dict[str, Any], above: Sampler) -> _Scope:
        values = replace(above.values, count=above.left)
        values = replace(values, **own)
        self._rules.check(values)
        return _Scope(own, Sampler(values))

    def _put(self, changed: dict[str, _Scope], before: list[_Scope], gone: set[str]) -> list[Sampler]:
        for name in gone:
            self._models.pop(name, None)
        self._models |= changed
        for scope in before:
            scope.sampler.is_replaced = True
        return [scope.sampler for scope in before]


def _kept(scope: _Scope | None) -> dict[str, Any]:
    """Return a scope's own values; of the count, what is left."""
    if scope is None:
        return {}
    return scope.own | ({"count": scope.sampler.left} if "count" in scope.own else {})


def _changed(scope: _Scope | None, change: Change) -> dict[str, Any]:
    own = _kept(scope)
    for key, value in change.items():
        own.pop(FIELDS[key], None)
        if value is not None:
            own[FIELDS[key]] = value
    return own
