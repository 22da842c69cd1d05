"""One published checkpoint: the facts of its config.json, its tokenizer's files and its sentence-transformers modules.

Only what is published is written down; the weights are random (`making/`). Values that config.json leaves out are left
out here too, so that our defaults are compared with transformers'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASE_WIDTH = 768
"""Where config.json has a width for each stage instead of one."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The tokenizer's files."""

    kind: str
    """Row of `making.tokenizers.KINDS`."""
    size: int
    """How many tokens there are."""
    cased: bool = False
    """Whether words with capital letters are in the vocabulary (WordPiece)."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """tokenizer_config.json."""
    has_json: bool = True
    """Whether there is a tokenizer.json; without it, only the vocabulary's own files."""
    made_by: str = ""
    """Class of transformers that wrote tokenizer.json, where tokenizer_config.json names another."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What tokenizer.json holds beyond the tokenizer itself: truncation and padding."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """What sentence-transformers adds to a checkpoint."""

    pooling: str = "mean"
    """Modes joined by +; or splade, of a sparse encoder."""
    dense: tuple[int, int] | None = None
    """Inputs and outputs of a Dense module with tanh."""
    normalize: bool = False
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


class LinearSentence(Sentence):
    """The same with a Dense module that has neither tanh nor a bias."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row of the table."""

    name: str
    """As the Hub spells it."""
    model: str
    """Class of transformers: the first of config.json's `architectures`."""
    task: str
    config: Mapping[str, Any]
    """config.json, without layers (two are made), `architectures` and labels."""
    vocabulary: Vocabulary | None = None
    processor: Mapping[str, Any] | None = None
    """preprocessor_config.json of an image model."""
    labels: tuple[str, ...] = ()
    sentence: Sentence | None = None
    longest: int = 0
    """Tokens of the longest text that is not cut; 0 for models of images."""
    old_weights: bool = False
    """Weights are named as TensorFlow named them (gamma, beta), as in the oldest checkpoints."""
    card: str = ""
    """pipeline_tag of the model card."""

    @property
    def family(self) -> str:
        """model_type of config.json."""
        return str(self.config["model_type"])

    @property
    def cost(self) -> int:
        """What a row costs, in floats: mostly its word embeddings; of an image model, its layers."""
        config = self.config.get("text_config", self.config)
        widths = (config.get(key) for key in ("embedding_size", "dim", "hidden_size", "d_model"))
        width = int(next(filter(None, widths), BASE_WIDTH))
        return width * int(config.get("vocab_size", 40 * width))
