"""Files beside a model that hold the bytes of one tensor: samples for warm-up, initial states of sequences."""

from __future__ import annotations

from pathlib import Path

from naiad.core.datatypes import Datatype
from naiad.core.errors import LoadFailed


def read_data(kind: str, folder: Path, file: str, row: Datatype, size: int, most_bytes: int) -> bytes:
    """Read a tensor's bytes: the whole file for strings, of another as much as is needed.

    kind: what it is for, for the messages, which are Triton's. size: of the tensor in bytes. Raises LoadFailed.
    """
    try:
        with (folder / file).open("rb") as opened:
            raw = opened.read(most_bytes + 1 if row.name == "BYTES" else size)
    except OSError as error:
        raise LoadFailed(f"{kind} data '{file}' cannot be read: {error}") from error
    if row.name == "BYTES" and len(raw) > most_bytes:
        raise LoadFailed(f"{kind} data '{file}' takes too much memory; {most_bytes} bytes are allowed")
    if row.name != "BYTES" and len(raw) < size:
        raise LoadFailed(
            f"{kind} setting expects {size} bytes, but the data provided from {file} only has {len(raw)} bytes"
        )
    return raw
