"""A stream's states: the table is that of RFC 9113, section 5.1, for a server that does not push."""

from __future__ import annotations

import pytest

from naiad.wire.grpc.http2.framing.streams import TRANSITIONS, Event, StreamState


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (StreamState.OPEN, Event.REMOTE_END, StreamState.HALF_CLOSED_REMOTE),
        (StreamState.OPEN, Event.LOCAL_END, StreamState.HALF_CLOSED_LOCAL),
        (StreamState.HALF_CLOSED_REMOTE, Event.LOCAL_END, StreamState.CLOSED),
        (StreamState.HALF_CLOSED_LOCAL, Event.REMOTE_END, StreamState.CLOSED),
        (StreamState.HALF_CLOSED_REMOTE, Event.REMOTE_END, None),
        (StreamState.HALF_CLOSED_LOCAL, Event.LOCAL_END, None),
        (StreamState.CLOSED, Event.REMOTE_END, None),
        (StreamState.CLOSED, Event.LOCAL_END, None),
        *((state, Event.RESET, StreamState.CLOSED) for state in StreamState),
    ],
)
def test_transitions(state: StreamState, event: Event, expected: StreamState | None) -> None:
    assert TRANSITIONS[state][event] == expected


def test_every_state_and_event_is_in_the_table() -> None:
    assert [len(row) for row in TRANSITIONS] == [len(Event)] * len(StreamState)
