"""A connection's states: the table that `connection.py` moves through."""

from __future__ import annotations

import pytest

from naiad.wire.http.http1.states import TRANSITIONS, ConnectionEvent, ConnectionState

OPEN, DRAINING, CLOSING, REFUSED, LOST = ConnectionState
DRAIN, LAST, REFUSE, LOSE = ConnectionEvent


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (OPEN, DRAIN, DRAINING),
        (OPEN, LAST, CLOSING),
        (OPEN, REFUSE, REFUSED),
        (DRAINING, LAST, CLOSING),
        (DRAINING, REFUSE, REFUSED),
        (CLOSING, DRAIN, CLOSING),
        (CLOSING, LAST, CLOSING),
        (CLOSING, REFUSE, None),
        (REFUSED, LAST, REFUSED),
        (REFUSED, REFUSE, None),
        *((state, LOSE, LOST) for state in ConnectionState if state is not LOST),
        *((LOST, event, None) for event in ConnectionEvent),
    ],
)
def test_transitions(state: ConnectionState, event: ConnectionEvent, expected: ConnectionState | None) -> None:
    assert TRANSITIONS[state][event] == expected


def test_every_state_and_event_is_in_the_table() -> None:
    assert [len(row) for row in TRANSITIONS] == [len(ConnectionEvent)] * len(ConnectionState)


def test_nothing_is_read_again_once_a_connection_closes() -> None:
    """States are ordered: from CLOSING on there is no way back, which `connection.py` relies on."""
    assert all(
        after is None or after >= state
        for state, row in zip(ConnectionState, TRANSITIONS, strict=True)
        for after in row
    )
