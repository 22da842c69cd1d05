"""The life of a model version, and which step may follow which. The diagram in the docs is made from this table.

Loading a version again while it serves is not a step: it stays READY, and requests go to the new copy from one turn of
the loop to the next.
"""

from __future__ import annotations

from enum import StrEnum


class VersionState(StrEnum):
    """As the repository index prints it."""

    UNKNOWN = "UNKNOWN"
    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.UNKNOWN: frozenset({VersionState.LOADING, VersionState.UNAVAILABLE}),
    VersionState.LOADING: frozenset({VersionState.READY, VersionState.UNAVAILABLE}),
    VersionState.READY: frozenset({VersionState.UNLOADING}),
    VersionState.UNLOADING: frozenset({VersionState.UNAVAILABLE, VersionState.LOADING}),
    VersionState.UNAVAILABLE: frozenset({VersionState.LOADING, VersionState.UNAVAILABLE}),
}
"""From a state to those that may follow it. UNAVAILABLE may follow itself, with another reason."""

UNLOADED = "unloaded"
"""The reason of a version that is UNAVAILABLE because somebody wanted it so."""
