"""A stream's states: the table is that of RFC 9113, section 5.1, for a server that does not push."""

from __future__ import annotations

import pytest

from naiad.wire.grpc.http2.framing.streams import TRANSITIONS, Event, State


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (State.OPEN, Event.REMOTE_END, State.HALF_CLOSED_REMOTE),
        (State.OPEN, Event.LOCAL_END, State.HALF_CLOSED_LOCAL),
        (State.HALF_CLOSED_REMOTE, Event.LOCAL_END, State.CLOSED),
        (State.HALF_CLOSED_LOCAL, Event.REMOTE_END, State.CLOSED),
        (State.HALF_CLOSED_REMOTE, Event.REMOTE_END, None),
        (State.HALF_CLOSED_LOCAL, Event.LOCAL_END, None),
        (State.CLOSED, Event.REMOTE_END, None),
        (State.CLOSED, Event.LOCAL_END, None),
        *((state, Event.RESET, State.CLOSED) for state in State),
    ],
)
def test_transitions(state: State, event: Event, expected: State | None) -> None:
    assert TRANSITIONS[state][event] == expected


def test_every_state_and_event_is_in_the_table() -> None:
    assert [len(row) for row in TRANSITIONS] == [len(Event)] * len(State)
