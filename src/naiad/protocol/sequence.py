"""The sequence parameters, for every door: what they mean and how long an id may be.

Source: Triton, "Sequence Extension". Not here: reading a value, which each codec does in its own words; and what a
sequence means to a model, which is its scheduler's.
"""

from __future__ import annotations

from naiad.core.errors import Unsupported
from naiad.core.message import InferRequest, SequenceStep

SEQUENCE_KEYS = frozenset({"sequence_id", "sequence_start", "sequence_end"})

MOST_ID_BYTES = 128


def set_sequence(request: InferRequest, key: str, value: int | str | bool) -> None:
    """Put one of SEQUENCE_KEYS into the request. Raises Unsupported for an id that is too long."""
    step = request.sequence
    if step is None:
        step = request.sequence = SequenceStep()
    if key == "sequence_start":
        step.is_first = bool(value)
    elif key == "sequence_end":
        step.is_last = bool(value)
    else:
        if isinstance(value, str) and len(value.encode()) > MOST_ID_BYTES:
            raise Unsupported(f"string correlation ID cannot be longer than {MOST_ID_BYTES} characters")
        step.id = value
