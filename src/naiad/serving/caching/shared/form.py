"""An answer as bytes: what several servers keep in one place, and must be able to trust.

    magic and number of the form (8) · tag (16) · length of the head (4) · head · outputs' bytes, one after the other

The head is JSON: model name, parameters, tokens, and of each output name, datatype, shape and number of bytes; the
bytes are those of the binary tensor data extension. The tag is a hash of everything behind it, keyed with the answer's
key: so bytes that were meant for another key, cut off or changed are never taken for an answer.
"""

from __future__ import annotations

import json
import struct
from hashlib import blake2b
from hmac import compare_digest

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import NaiadError
from naiad.core.message import InferResponse
from naiad.protocol import binary
from naiad.serving.caching.answer import KeptAnswer

FORM = 1
"""Goes up with every change of the form; it is part of the keys, too, so that forms do not meet."""

_MAGIC = struct.pack("<4sI", b"NAIA", FORM)
_TAG_BYTES = 16
_LENGTH = struct.Struct("<I")
_FIRST = len(_MAGIC) + _TAG_BYTES
"""Where what is hashed begins."""


def write_answer(response: InferResponse) -> bytes:
    """Return an answer without its tag, copying its outputs. Raises Failed for outputs not of their datatype."""
    pieces = [binary.encode(tensor) for tensor in response.outputs]
    head = json.dumps(
        {
            "model": response.model_name,
            "parameters": response.parameters,
            "tokens": response.tokens,
            "outputs": [
                (tensor.name, tensor.datatype, tensor.data.shape, len(piece))
                for tensor, piece in zip(response.outputs, pieces, strict=True)
            ],
        }
    ).encode()
    return b"".join((_LENGTH.pack(len(head)), head, *pieces))


def seal(key: bytes, written: bytes) -> bytes:
    """Put the tag in front of what `write_answer` gave; about a millisecond for a megabyte."""
    return b"".join((_MAGIC, _tag(key, written), written))


def read_answer(key: bytes, sealed: bytes) -> KeptAnswer | None:
    """Return the answer, over memory that is read-only; None where the bytes are no answer to this key."""
    view = memoryview(sealed)
    if view[: len(_MAGIC)] != _MAGIC or not compare_digest(view[len(_MAGIC) : _FIRST], _tag(key, view[_FIRST:])):
        return None
    try:
        return _read(view[_FIRST:], len(sealed))
    except (ValueError, KeyError, TypeError, struct.error, NaiadError):
        return None  # from a server that means something else by this form


def _read(view: memoryview, size: int) -> KeptAnswer:
    (length,) = _LENGTH.unpack_from(view)
    at = _LENGTH.size + length
    head = json.loads(bytes(view[_LENGTH.size : at]))
    outputs = []
    for name, datatype, shape, count in head["outputs"]:
        tensor = binary.decode(name, BY_NAME[datatype].name, tuple(shape), view[at : at + count])
        tensor.data.flags.writeable = False
        outputs.append(tensor)
        at += count
    return KeptAnswer(head["model"], tuple(outputs), head["parameters"], head["tokens"], size)


def _tag(key: bytes, written: bytes | memoryview) -> bytes:
    return blake2b(written, digest_size=_TAG_BYTES, key=blake2b(key).digest()).digest()
