"""Implicit state: outputs of one step that are inputs of the next of its sequence; callers do not see them.

Source: Triton, "Implicit State Management". Where no initial state is given, Triton leaves the first input as it finds
the memory; here it is zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.message import InferResponse
from naiad.core.model.sequences import SequenceState
from naiad.core.tensor import Array, Tensor
from naiad.scheduling.sequences.lane import LiveSequence
from naiad.scheduling.sequences.room import Room

ALL: frozenset[str] = frozenset()
"""For callers who list no outputs."""


class States:
    """The states of one model."""

    def __init__(
        self,
        states: Iterable[SequenceState],
        outputs: Iterable[str],
        initial: Mapping[str, Array],
        *,
        has_rows: bool,
    ) -> None:
        """outputs: names of those that callers see. initial: by input name, without the batch dimension."""
        self._states = {state.output_name: state for state in states}
        self._begin = {
            state.input_name: _initial(state, initial.get(state.input_name), has_rows=has_rows)
            for state in self._states.values()
        }
        self._hidden = frozenset(self._states) - frozenset(outputs)
        self.names = tuple(self._states)
        """Outputs that are states."""
        self.has_variable = any(-1 in state.dims for state in self._states.values())
        """Steps with states of different shapes cannot share a batch."""

    def begin(self, sequence: LiveSequence) -> None:
        """Give a sequence that begins its first states."""
        sequence.states = dict(self._begin)
        sequence.rooms = {
            state.input_name: Room(self._begin[state.input_name].data, grows=state.is_growable)
            for state in self._states.values()
            if state.uses_same_buffer
        }
        for name, room in sequence.rooms.items():
            sequence.states[name] = Tensor(name, self._begin[name].datatype, room.value)

    def shapes(self, sequence: LiveSequence, *, begins: bool) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the states that its next step would be given."""
        return tuple(tensor.shape for tensor in (self._begin if begins else sequence.states).values())

    def keep(self, sequence: LiveSequence, response: InferResponse, listed: frozenset[str]) -> None:
        """Take the states out of a step's answer; one that is not there stays as it was.

        listed: outputs that the caller asked for; none: all that it can see.
        """
        hidden = frozenset(self._states) - listed if listed else self._hidden
        for room in sequence.rooms.values():
            _part(response, room)
        given, response.outputs = response.outputs, []
        for tensor in given:
            if tensor.name not in hidden:
                response.outputs.append(tensor)
            state, data = self._states.get(tensor.name), tensor.data
            if state is None:
                continue
            if state.uses_same_buffer:
                data = sequence.rooms[state.input_name].put(data)
            elif isinstance(data.base, np.ndarray) and data.base.nbytes > data.nbytes:
                data = data.copy()  # or the whole batch would stay in memory
            sequence.states[state.input_name] = Tensor(state.input_name, state.datatype, data)


def zeros(datatype: str, shape: tuple[int, ...]) -> Array:
    """Make an array of zeros, or of empty strings."""
    if datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, BY_NAME[datatype].numpy)


def _part(response: InferResponse, room: Room) -> None:
    """Give an answer its own copy of what lies in a state's memory: the next step writes there, while it is sent."""
    for tensor in response.outputs:
        if np.may_share_memory(tensor.data, room.value):
            tensor.data = tensor.data.copy()


def _initial(state: SequenceState, given: Array | None, *, has_rows: bool) -> Tensor:
    """Make the input of a sequence's first step."""
    dims = state.initial_dims or tuple(1 if dim == -1 else dim for dim in state.dims)
    data = zeros(state.datatype, dims) if given is None else given
    if has_rows:
        data = data[None]
    data.setflags(write=False)
    return Tensor(state.input_name, state.datatype, data)
