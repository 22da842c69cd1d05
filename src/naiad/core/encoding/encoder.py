"""Nouns of encoders: what a task gives to an encoder, what comes back, and what an encoder says of itself.

An encoder is an instance whose batch items are tokenized texts, images, or either. The tasks on floor 2 and the
runtimes on floor 1 meet here and nowhere else: neither knows whether the graph behind it is packed or padded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naiad.core.tensor import Array

STATIC = "static"
"""Architecture of an encoder that is a table of embeddings: without special tokens; its last row is no token's."""


LARGEST_IMAGE = 4096
"""Height and width that an encoder's files may ask for; an image of that size takes 200 MB in float32."""


@dataclass(slots=True)
class TextTokens:
    """One row of tokens to run through an encoder; padding-free."""

    input_ids: Array
    """(tokens,) int64, special tokens included; at least one token."""
    outputs: tuple[str, ...]
    """Names of the encoder's outputs wanted for this text."""
    type_ids: Array | None = None
    """(tokens,) int64, or None for all zero."""
    rows: Array | None = None
    """(rows,) int64 token positions; outputs with granularity "row" are computed at these only (fill-mask)."""
    unseen_tokens: int = 0
    """How many tokens at the end no token attends to (ColBERT's query expansion); never all of them."""
    prompt_tokens: int = 0
    """How many tokens at the begin belong to a prompt, special ones before it included; see `excludes_prompt`."""

    @property
    def tokens(self) -> int:
        """How many tokens there are; what length-aware batching counts."""
        return len(self.input_ids)


@dataclass(slots=True)
class ImagePixels:
    """One image to run through an encoder: cut and of the right size, its values not yet scaled."""

    pixels: Array
    """(channels, height, width): uint8 with `values`, else float32 as the graph takes them."""
    outputs: tuple[str, ...]
    """Names of the encoder's outputs wanted for this image."""
    tokens: int
    """What it costs in tokens, for batching by length."""
    values: Array | None = None
    """(channels, 256) float32: what each step of a channel means to the graph. Steps take a quarter of the space."""

    def pixel_values(self) -> Array:
        """What the graph takes, (channels, height, width) float32."""
        if self.values is None:
            return self.pixels
        return np.stack([values[channel] for values, channel in zip(self.values, self.pixels, strict=True)])


EncoderItem = TextTokens | ImagePixels
"""What runs through an encoder."""

EncoderResult = dict[str, Array]
"""By output name. "item": (width,) float32; "token": (tokens, width) float32; "row": (rows, width) float32."""


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """One output that an encoder can compute."""

    name: str
    """`embedding`, `last_hidden_state` or `logits`."""
    granularity: str
    """"item" (a text or an image), "token" or "row"."""
    width: int
    """Size of the last axis: hidden size, number of labels, vocabulary."""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What an encoder says of itself; written beside a converted graph as `encoder.json`."""

    architecture: str
    """`model_type` of config.json: bert, roberta, mpnet …"""
    head: str
    """embedding, sequence-classification, token-classification, question-answering, masked-lm."""
    outputs: tuple[EncoderOutput, ...]
    max_tokens: int
    """Longest text the position table allows."""
    pad_token_id: int = 0
    uses_type_ids: bool = False
    """Whether type ids other than zero mean something to the graph."""
    vocabulary: int = 0
    """Token ids are below it; 0 = not known, not checked."""
    type_vocabulary: int = 0
    """Type ids are below it; 0 = not known, not checked."""
    position_offset: int = 0
    """Position of the first token (RoBERTa and its kin begin at padding_idx + 1)."""
    layout: str = "packed"
    """"packed" (our builder: texts concatenated without padding), "padded" (batch × longest) or "images"."""
    pack_tokens: int = 128
    """Packed graphs: a number of tokens that together are fast on most machines, for where nothing was measured."""
    pack_limit: int = 0
    """Packed graphs: never more tokens run together, unless it is one text; 0 = `pack_tokens`."""
    filled_limit: int = 0
    """Packed graphs: never more tokens run together, those that fill lanes included; 0 = as many as it takes."""
    pairs_per_token: int = 400
    """Packed graphs: for how many pairs of tokens attention takes as long as everything else for one token."""
    pooling: str = "none"
    """Padded graphs without pooling of their own: mean, cls, max, lasttoken …, done after the run; else "none"."""
    normalize: bool = False
    """With `pooling`: divide by the Euclidean norm."""
    needed_token: int | None = None
    """A token that every text must hold, because the head reads its state (BART's end of text)."""
    runs_alone: bool = False
    """Padded graphs whose rows depend on each other: every text is a run by itself."""
    excludes_prompt: bool = False
    """Pooling leaves out the prompt (sentence-transformers' include_prompt: false), so `prompt_tokens` must be set."""
    channels: int = 0
    height: int = 0
    width: int = 0
    """Image encoders: shape of the pixel values of one image; `max_tokens` is then what an image costs."""
    attends_padding: bool = False
    """Texts are padded to the tokenizer's maximum, and the padding counts (SigLIP)."""
    similarity_scale: float = 0.0
    similarity_bias: float = 0.0
    """Text encoders that belong to an image encoder: from the cosine of an image and a text to their logit."""
    gives_shares: bool = False
    """The logits are shares already, because the graph ends in a softmax or a sigmoid."""
