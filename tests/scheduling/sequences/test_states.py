"""What one step leaves for the next, and where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.message import InferResponse
from naiad.core.model.sequences import SequenceState
from naiad.core.tensor import Array, Tensor
from naiad.scheduling.sequences.lane import LiveSequence
from naiad.scheduling.sequences.room import Room
from naiad.scheduling.sequences.states import States

SUM = SequenceState("sum_in", "sum_out", "INT32", (2,))


def begun(*states: SequenceState, initial: Any = None, outputs: Any = ("y",), has_rows: bool = False) -> Any:
    made, sequence = States(states, outputs, initial or {}, has_rows=has_rows), LiveSequence(1)
    made.begin(sequence)
    return made, sequence


def response(**arrays: Array) -> InferResponse:
    return InferResponse("m", "1", [Tensor.of(name, array) for name, array in arrays.items()])


def names(of: InferResponse) -> list[str]:
    return [tensor.name for tensor in of.outputs]


@pytest.mark.parametrize(
    ("state", "has_rows", "shape"),
    [
        (SUM, False, (2,)),
        (SUM, True, (1, 2)),
        (SequenceState("sum_in", "o", "INT32", (-1, 3)), False, (1, 3)),
        (SequenceState("sum_in", "o", "INT32", (-1, 3), initial_dims=(0, 3)), True, (1, 0, 3)),
        (SequenceState("sum_in", "o", "INT32", (-1,), initial_dims=(5,)), False, (5,)),
    ],
)
def test_a_sequence_begins_with_zeros(state: SequenceState, has_rows: bool, shape: Any) -> None:
    _, sequence = begun(state, has_rows=has_rows)
    (tensor,) = sequence.states.values()
    assert (tensor.name, tensor.datatype, tensor.shape, tensor.data.any()) == ("sum_in", "INT32", shape, False)


def test_strings_begin_empty() -> None:
    _, sequence = begun(SequenceState("s", "o", "BYTES", (2,)))
    assert sequence.states["s"].data.tolist() == [b"", b""]


def test_a_sequence_may_begin_with_a_value_that_no_step_can_change() -> None:
    _, sequence = begun(SUM, initial={"sum_in": np.array([3, 4], np.int32)}, has_rows=True)
    assert sequence.states["sum_in"].data.tolist() == [[3, 4]]
    with pytest.raises(ValueError, match="read-only"):
        sequence.states["sum_in"].data[0, 0] = 1


def test_a_state_goes_to_the_next_step_and_not_to_the_caller() -> None:
    states, sequence = begun(SUM)
    told = response(y=np.array([1]), sum_out=np.array([5, 6], np.int32))
    states.keep(sequence, told, frozenset())
    assert (names(told), sequence.states["sum_in"].data.tolist()) == (["y"], [5, 6])


def test_a_state_that_is_an_output_besides_is_the_callers_too_if_asked_for() -> None:
    states, sequence = begun(SUM, outputs=("y", "sum_out"))
    for listed, expected in ((frozenset(), ["y", "sum_out"]), (frozenset({"y"}), ["y"])):
        told = response(y=np.array([1]), sum_out=np.array([5, 6], np.int32))
        states.keep(sequence, told, listed)
        assert names(told) == expected


def test_a_state_that_is_not_given_stays() -> None:
    states, sequence = begun(SUM)
    states.keep(sequence, response(sum_out=np.array([5, 6], np.int32)), frozenset())
    states.keep(sequence, response(y=np.array([1])), frozenset())
    assert sequence.states["sum_in"].data.tolist() == [5, 6]


def test_a_row_of_a_batch_does_not_keep_the_batch_in_memory() -> None:
    states, sequence = begun(SUM, has_rows=True)
    batch = np.arange(2000, dtype=np.int32).reshape(1000, 2)
    states.keep(sequence, response(sum_out=batch[3:4]), frozenset())
    kept = sequence.states["sum_in"].data
    assert kept.tolist() == [[6, 7]]
    assert not np.may_share_memory(kept, batch)


def test_a_state_may_stay_in_one_place() -> None:
    states, sequence = begun(SequenceState("s", "o", "INT32", (2,), uses_same_buffer=True))
    address = sequence.states["s"].data.ctypes.data
    for value in (1, 2):
        states.keep(sequence, response(o=np.full(2, value, np.int32)), frozenset())
        assert sequence.states["s"].data.tolist() == [value, value]
        assert sequence.states["s"].data.ctypes.data == address


def test_each_sequence_has_a_place_of_its_own() -> None:
    states, first = begun(SequenceState("s", "o", "INT32", (2,), uses_same_buffer=True))
    second = LiveSequence(2)
    states.begin(second)
    states.keep(first, response(o=np.array([1, 2], np.int32)), frozenset())
    assert second.states["s"].data.tolist() == [0, 0]


def test_an_answer_is_not_overwritten_by_the_next_step() -> None:
    state = SequenceState("s", "o", "INT32", (2,), uses_same_buffer=True)
    states, sequence = begun(state, outputs=("o", "seen"))
    states.keep(sequence, response(o=np.array([1, 2], np.int32)), frozenset())
    for outputs in (["seen", "o"], ["o", "seen"]):
        before = sequence.states["s"].data.tolist()
        arrays = {"seen": sequence.states["s"].data, "o": np.array(before, np.int32) + 1}
        told = response(**{name: arrays[name] for name in outputs})
        states.keep(sequence, told, frozenset())
        assert {one.name: one.data.tolist() for one in told.outputs}["seen"] == before


@pytest.mark.parametrize("grows", [False, True])
def test_a_room_takes_values_of_any_size(grows: bool) -> None:
    room = Room(np.zeros((1, 1), np.int32), grows=grows)
    for count in (3, 2, 40, 1):
        value = np.arange(count, dtype=np.int32).reshape(1, -1)
        assert room.put(value).tolist() == value.tolist() == room.value.tolist()


def test_a_room_that_grows_seldom_moves() -> None:
    room = Room(np.zeros(1, np.int32), grows=True)
    addresses = {room.put(np.zeros(count, np.int32)).ctypes.data for count in range(1, 1001)}
    assert len(addresses) <= 12
