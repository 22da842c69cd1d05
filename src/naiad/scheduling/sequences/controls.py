"""The inputs that tell a model where in its sequence a request stands: START, END, READY and CORRID.

Each has one element: shape [1], or [1, 1] where there is a batch dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest
from naiad.core.message import SequenceStep
from naiad.core.model.sequences import SequenceControl
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.scheduling.sequences.lane import LiveSequence

LARGEST = {"INT32": 2**31 - 1, "UINT32": 2**32 - 1, "INT64": 2**63 - 1, "UINT64": 2**64 - 1}
"""By datatype of CORRID, the largest id that it holds."""


class Controls:
    """The controls of one model. Tensors are shared by requests: instances do not write to their inputs."""

    def __init__(self, model: str, controls: Iterable[SequenceControl], *, has_rows: bool) -> None:
        """has_rows: tensors have a batch dimension."""
        self._model = model
        self._shape = (1, 1) if has_rows else (1,)
        given = list(controls)
        self._correlation = next((control for control in given if control.kind == "CORRID"), None)
        booleans = [control for control in given if control.kind != "CORRID"]
        self._by_flags = {
            (is_first, is_last): self._booleans(booleans, {"START": is_first, "END": is_last, "READY": True})
            for is_first in (False, True)
            for is_last in (False, True)
        }
        self.absent: dict[str, Tensor] = self._booleans(booleans, {})
        """Of a row that has no step: nothing is true, and it belongs to no sequence."""
        if self._correlation is not None:
            nobody: int | str = "" if self._correlation.datatype == "BYTES" else 0
            self.absent[self._correlation.name] = self._id(self._correlation, nobody)

    def of(self, step: SequenceStep, sequence: LiveSequence) -> Mapping[str, Tensor]:
        """Return the controls of a step, by name; all steps of a sequence share the one that holds its id."""
        booleans = self._by_flags[step.is_first, step.is_last]
        if self._correlation is None:
            return booleans
        if sequence.id_control is None:
            sequence.id_control = self._id(self._correlation, step.id)
        return {**booleans, self._correlation.name: sequence.id_control}

    def check(self, id: int | str) -> None:  # noqa: A002 — what the protocol calls it
        """Raise InvalidRequest for an id that the model's CORRID cannot hold."""
        control = self._correlation
        if control is None:
            return
        wants_text = control.datatype == "BYTES"
        if isinstance(id, str) is not wants_text:
            given, wanted = ("a string", "a number") if isinstance(id, str) else ("a number", "a string")
            raise InvalidRequest(
                f"inference request to model '{self._model}' has {given} as correlation ID, {id!r}, but the model's "
                f"control '{control.name}' takes {wanted} ({control.datatype})"
            )
        if isinstance(id, int) and not 0 < id <= LARGEST[control.datatype]:
            raise InvalidRequest(
                f"inference request to model '{self._model}' has the correlation ID {id}, which does not fit the "
                f"model's control '{control.name}' ({control.datatype})"
            )

    def _booleans(self, controls: Iterable[SequenceControl], true: Mapping[str, bool]) -> dict[str, Tensor]:
        return {
            control.name: self._full(control, control.false_true[bool(true.get(control.kind))]) for control in controls
        }

    def _full(self, control: SequenceControl, value: float) -> Tensor:
        data = np.full(self._shape, value, BY_NAME[control.datatype].numpy)
        data.setflags(write=False)
        return Tensor(control.name, control.datatype, data)

    def _id(self, control: SequenceControl, value: int | str) -> Tensor:
        if isinstance(value, str):
            return bytes_tensor(control.name, [value.encode()], self._shape)
        return Tensor(control.name, control.datatype, np.full(self._shape, value, BY_NAME[control.datatype].numpy))
