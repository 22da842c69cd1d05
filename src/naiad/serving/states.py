"""The life of a model version, and which step may follow which. The diagram in the docs is made from this table.

Loading a version again while it serves is not a step: it stays READY, and requests go to the new copy from one turn of
the loop to the next.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """As the repository index prints it."""

    UNKNOWN = "UNKNOWN"
    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.UNKNOWN: frozenset({State.LOADING, State.UNAVAILABLE}),
    State.LOADING: frozenset({State.READY, State.UNAVAILABLE}),
    State.READY: frozenset({State.UNLOADING}),
    State.UNLOADING: frozenset({State.UNAVAILABLE, State.LOADING}),
    State.UNAVAILABLE: frozenset({State.LOADING, State.UNAVAILABLE}),
}
"""From a state to those that may follow it. UNAVAILABLE may follow itself, with another reason."""

UNLOADED = "unloaded"
"""The reason of a version that is UNAVAILABLE because somebody wanted it so."""
