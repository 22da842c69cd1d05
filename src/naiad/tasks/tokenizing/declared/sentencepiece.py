"""Reading a sentencepiece model: its pieces and the few of its settings that splitting depends on.

The file is one protobuf message, read here field by field (sentencepiece_model.proto, of which five messages' worth of
training options are skipped); neither sentencepiece nor generated classes are needed. Not here: making a tokenizer
from it (`families/`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from naiad.core.errors import LoadFailed

UNIGRAM, BPE = 1, 2
"""TrainerSpec.ModelType; the others (words, characters) have no pieces to merge."""

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
"""SentencePiece.Type."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its number is its place."""

    text: str
    score: float
    kind: int


@dataclass(slots=True)
class SentencePieceModel:
    """What a model file says."""

    pieces: list[Piece] = field(default_factory=list)
    algorithm: int = UNIGRAM
    byte_fallback: bool = False
    unknown_id: int = 0
    unknown_piece: str = "<unk>"
    begin_id: int = 1
    begin_piece: str = "<s>"
    end_id: int = 2
    end_piece: str = "</s>"
    charsmap: bytes | None = None
    """Precompiled table of replacements (NFKC and the like); None without one."""

    @property
    def scores(self) -> list[tuple[str, float]]:
        """Pieces with their scores, in order."""
        return [(piece.text, piece.score) for piece in self.pieces]


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Read a model file. Raises LoadFailed for a file that cannot be read or is none."""
    try:
        model = _parse(path.read_bytes())
    except OSError as error:
        raise LoadFailed(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    except (ValueError, IndexError, struct.error, TypeError, AttributeError) as error:
        raise LoadFailed(f"{path} is not a sentencepiece model: {error}", path=str(path)) from error
    if not model.pieces or model.algorithm not in (UNIGRAM, BPE):
        raise LoadFailed(f"{path} is not a sentencepiece model of the Unigram or BPE kind", path=str(path))
    return model


def _parse(data: bytes) -> SentencePieceModel:
    model = SentencePieceModel()
    for number, value in _fields(data):
        if number == 1:
            model.pieces.append(_piece(_bytes(value)))
        elif number == 2:
            _read_training(_bytes(value), model)
        elif number == 3:
            _read_normalizer(_bytes(value), model)
    return model


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(data):
        if number == 1:
            text = _bytes(value).decode()
        elif number == 2:
            (score,) = struct.unpack("<f", _bytes(value))
        elif number == 3:
            kind = int(value)
    return Piece(text, score, kind)


def _read_training(data: bytes, model: SentencePieceModel) -> None:
    """TrainerSpec."""
    numbers = {3: "algorithm", 40: "unknown_id", 41: "begin_id", 42: "end_id"}
    texts = {45: "unknown_piece", 46: "begin_piece", 47: "end_piece"}
    for number, value in _fields(data):
        if number in numbers:
            setattr(model, numbers[number], int(value))
        elif number in texts:
            setattr(model, texts[number], _bytes(value).decode())
        elif number == 35:
            model.byte_fallback = bool(value)


def _read_normalizer(data: bytes, model: SentencePieceModel) -> None:
    """NormalizerSpec."""
    for number, value in _fields(data):
        if number == 2:
            model.charsmap = _bytes(value) or None


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where text is expected")  # noqa: TRY004 - a fault of the file
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: whole numbers, and bytes for everything else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value: int | bytes
            value, at = _varint(data, at)
            yield number, value - (1 << 64) if value >> 63 else value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("the file ends early")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
