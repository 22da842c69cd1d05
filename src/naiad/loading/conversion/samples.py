"""The inputs that a conversion is checked with: texts through the checkpoint's own tokenizer; images and sound made up.

The same ones every time. Not here: the texts themselves (`naiad.convert.gate.texts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from naiad.convert.export.models import AUDIO, TEXT
from naiad.convert.gate.runners import ROWS, Sample
from naiad.convert.gate.texts import PAIRS, TEXTS, long_text, read_texts
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidRequest
from naiad.core.tensor import Array
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.tokenizer import Tokenizer

LONGEST_TOKENS = 1024
"""Length of the longest text: attention over many more would exhaust memory; the report says how many it was."""

TAKES_PAIRS = ("sequence-classification", "question-answering")
ROWS_LOOKED_AT = 6
"""Positions of a text at which a language model's scores are compared."""

IMAGES = 32
SOUND_SAMPLES = (16_000, 4_000, 9_777, 31_234, 15_999, 2_345, 12_000, 24_000)


def text_samples(folder: Path, spec: EncoderSpec, data: Path | None = None) -> list[Sample]:
    """Texts, pairs for heads that take them, an empty text if there can be one, and one of the greatest length.

    data: the user's texts instead of ours. Raises LoadFailed for a tokenizer that cannot be used, InvalidConfiguration
    for data that cannot.
    """
    spec = replace(spec, max_tokens=min(spec.max_tokens, LONGEST_TOKENS))
    tokenizer = load_tokenizer(Checkpoint(folder).body, spec)
    texts, pairs = (list(TEXTS), list(PAIRS)) if data is None else read_texts(data)
    if spec.head not in TAKES_PAIRS:
        pairs = []
    rows: list[Sample] = [*_texts(tokenizer, ["", *texts] if data else texts), *_pairs(tokenizer, pairs)]
    rows += _texts(tokenizer, [long_text(tokenizer.max_tokens * 12)])
    if spec.head != "masked-lm":
        return rows
    return [{**row, ROWS: _some_rows(len(row["input_ids"]))} for row in rows]


def _texts(tokenizer: Tokenizer, texts: list[str]) -> Iterator[dict[str, Array]]:
    for text in texts:
        try:
            ids, _ = tokenizer.encode([text])
        except InvalidRequest:  # some tokenizers make nothing of an empty text
            continue
        yield {"input_ids": ids[0]}


def _pairs(tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> Iterator[dict[str, Array]]:
    for row in tokenizer.encode_pairs(pairs, "longest") if pairs else ():
        types = {} if row.type_ids is None else {"token_type_ids": row.type_ids}
        yield {"input_ids": row.ids, **types}


def _some_rows(tokens: int) -> Array:
    return np.unique(np.linspace(0, tokens - 1, ROWS_LOOKED_AT).astype(np.int64))


def made_up_samples(kind: str, size: tuple[int, ...]) -> list[Sample]:
    """Images (channels, height, width) or sound as a model sees them: noise, gradients, flat ones. kind: not text."""
    assert kind != TEXT
    random = np.random.default_rng(11)
    if kind == AUDIO and len(size) == 1:
        counts = [count for count in SOUND_SAMPLES for _ in range(4)]
        return [{"input_values": random.standard_normal(count).astype(np.float32)} for count in counts]
    name = "input_values" if kind == AUDIO else "pixel_values"
    return [{name: _picture(random, size, number)} for number in range(IMAGES)]


def _picture(random: np.random.Generator, size: tuple[int, ...], number: int) -> Array:
    slope = np.linspace(-2, 2, size[-1], dtype=np.float32) * (number % 5 - 2)
    noise = random.standard_normal(size).astype(np.float32) * (number % 3)
    return (noise + slope + number / IMAGES).astype(np.float32)
