"""What the implicit states of a model's sequences begin with: zeros, or the bytes of a file beside the model."""

from __future__ import annotations

from math import prod
from pathlib import Path

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Array
from naiad.loading.data_files import read_data
from naiad.protocol.binary import decode

FOLDER = "initial_state"
"""Inside the model's folder: where `data_file` is."""

MOST_BYTES = 1024**3
"""Of one state, as each sequence has its own; a string counts eight bytes."""


def initial_states(config: ModelConfig, model_dir: Path) -> dict[str, Array]:
    """Read the states that begin with a file, by input name, without the batch dimension. Raises LoadFailed."""
    found: dict[str, Array] = {}
    batching = config.sequence_batching
    for state in () if batching is None else batching.states:
        name, row = state.input_name, BY_NAME[state.datatype]
        dims = state.initial_dims or tuple(1 if dim == -1 else dim for dim in state.dims)
        size = prod(dims) * (row.size_bytes or 8)
        if size > MOST_BYTES:
            raise LoadFailed(
                f"model '{config.name}': state '{name}' begins with {size} bytes; {MOST_BYTES} are allowed",
                model=config.name,
            )
        if state.initial_file:
            try:
                raw = read_data(FOLDER, model_dir / FOLDER, state.initial_file, row, size, MOST_BYTES)
                found[name] = decode(name, row.name, dims, raw).data
            except NaiadError as error:
                raise LoadFailed(f"model '{config.name}': {error.message}", model=config.name) from error
    return found
