"""What one family of encoders says of itself: which body it has, how its weights and its config.json are spelled.

Not here: the families (their rows stand beside this file, the table in `architectures.py`), the graph (`bodies/`) and
what stands on top of it (`heads/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""config.json's `hidden_act` and what it computes."""


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Module names within one layer; each has `.weight` and `.bias`."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_out: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    ffn_norm: str = "output.LayerNorm"
    packed: str = ""
    """Query, key and value as one matrix, in this order, where a checkpoint has it."""
    ffn_gate: str = ""
    """The product that goes through the activation and multiplies `ffn_in`; empty: the feed-forward is not gated."""
    ffn_packed: str = ""
    """`ffn_in` and `ffn_gate` as one matrix, where a checkpoint has it."""
    gate_first: bool = True
    """Which of the two comes first in `ffn_packed`."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """How a family classifies a text: pooling → dense → activation → projection."""

    dense: str
    projection: str
    activation: str = "tanh"
    """Empty: the body's own."""
    in_body: bool = False
    """The dense module belongs to the body (BERT's pooler) and carries its prefix."""
    norm: str = ""
    """LayerNorm behind the activation; empty: none."""
    bias: bool = True
    """Whether the dense module has one."""
    pooling: str = "cls"
    """What it classifies, one of heads/pooling.py's; "late": the mean, taken behind dense, activation and norm."""


@dataclass(frozen=True, slots=True)
class LanguageHead:
    """How a family predicts masked tokens: dense → activation → norm → vocabulary."""

    dense: str
    """Empty: states meet the vocabulary as they are."""
    norm: str
    decoder: str
    biases: tuple[str, ...]
    """Names under which the vocabulary's bias is found, the first that exists."""
    activation: str = "gelu"
    """Empty: the body's own."""
    bias: bool = True
    """Whether the dense module has one."""
    decoder_bias: bool = True
    width: str = ""
    """Our name of the size between dense and vocabulary; empty: the embeddings'."""
    further_columns: str = ""
    """A weight (…, vocabulary) that widens the word embeddings to that size (MobileBERT)."""


@dataclass(frozen=True, slots=True)
class TokenHead:
    """How a family classifies tokens, and finds where an answer begins and ends."""

    labels: str = "classifier"
    answers: str = "qa_outputs"
    transformed: bool = False
    """Dense, activation and norm of the family's `Classifier` come before."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family; `model_type` of config.json chooses it."""

    base: str
    """Prefix of the body's weights in a checkpoint with a head."""
    classifier: Classifier | None = None
    """None: its way of classifying texts is not converted."""
    language: LanguageHead | None = None
    """None: it does not predict masked tokens."""
    tokens: TokenHead = field(default_factory=TokenHead)
    heads: tuple[str, ...] = ()
    """What it is converted for; empty: everything."""
    needs_decoder: tuple[str, ...] = ()
    """Classes in config.json that sound like an encoder and are none."""
    body: str = "post-norm"
    """The kind of body; `bodies/choice.py` has the table."""
    words: str = "embeddings.word_embeddings.weight"
    """The table of word embeddings, below the prefix."""
    anchor: str = ""
    """A weight that tells where the body is, if the words do not."""
    names: LayerNames = field(default_factory=LayerNames)
    layer: str = "encoder.layer.{layer}"
    """Prefix of one layer; may name {group} and {inner} (ALBERT)."""
    embedding_norm: str = "embeddings.LayerNorm"
    """Empty: none; only bodies that norm before their layers can do without."""
    final_norm: str = ""
    """Norm behind the last layer of such bodies."""
    embedding_projection: str = ""
    """Module from the embeddings' size to the hidden size, where they differ."""
    relative_positions: str = ""
    """Weight of the relative position bias."""
    has_type_ids: bool = True
    spelling: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Our name of a size or option → config.json's, where it differs; of several, the first that is set."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What config.json means when it leaves a size out."""
    gates: Mapping[str, str] = field(default_factory=dict)
    """Words of `hidden_act` for a gated feed-forward → its activation; empty: gated wherever `ffn_gate` has a name."""
    harmless: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Options of config.json that change what the family computes, and the values under which we compute it."""
    respelled: Mapping[str, str] = field(default_factory=dict)
    """Part of a weight's name, as another writer of the same family has it → as it is called here."""

    @property
    def shares_layers(self) -> bool:
        """Whether several layers have the same weights, so that there may be more layers than weights."""
        return "{group}" in self.layer


DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "relative_attention_num_buckets": 32,
    "partial_rotary_factor": 1.0,
    "attention_in_bias": True,
    "attention_out_bias": True,
    "ffn_in_bias": True,
    "ffn_out_bias": True,
    "norm_bias": True,
    "use_task_id": False,
}
"""What config.json means where it leaves something out and the family has no default of its own: BERT's."""
