"""What answers of steps say of the sequence that a request belongs to, and what the ensemble's own answer says."""

from __future__ import annotations

from collections.abc import Mapping

from naiad.core.errors import InvalidRequest
from naiad.core.message import Parameter, SequenceStep

_START, _END = "sequence_start", "sequence_end"
_NONE = SequenceStep()


def read_sequence(parameters: Mapping[str, Parameter], before: SequenceStep | None) -> SequenceStep | None:
    """What a step's answer says, for the steps behind it; None: nothing. before: what the step was told.

    Raises InvalidRequest, in Triton's words.
    """
    if not parameters.keys() & {"sequence_id", _START, _END}:
        return None
    identifier = parameters.get("sequence_id", (before or _NONE).id)
    if isinstance(identifier, bool | float):
        raise InvalidRequest(
            "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or TRITONSERVER_PARAMETER_STRING"
        )
    return SequenceStep(identifier, _flag(parameters, _START), _flag(parameters, _END))


def written_sequence(sequence: SequenceStep | None) -> dict[str, Parameter]:
    """The parameters of an ensemble's answer, which Triton gives whether or not there is a sequence."""
    sequence = sequence or _NONE
    return {"sequence_id": sequence.id, _START: sequence.is_first, _END: sequence.is_last}


def _flag(parameters: Mapping[str, Parameter], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"expect parameter '{name}' to be TRITONSERVER_PARAMETER_BOOL")
    return value
