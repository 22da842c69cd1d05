"""What the known encoder families have in common and where they differ, as one table.

All are the same post-norm transformer; a family says how its weights are named, how its config.json spells the sizes
and which extras it has (type ids, position offset, embedding projection, relative positions, shared layers).
Not here: the graph itself (`layers.py`) and what stands on top of it (`heads/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.core.errors import Unsupported

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
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


@dataclass(frozen=True, slots=True)
class Classifier:
    """How a family classifies a sequence from its first token: dense → activation → projection."""

    dense: str
    projection: str
    activation: str = "tanh"
    in_body: bool = False
    """The dense module belongs to the body (BERT's pooler) and carries its prefix."""


@dataclass(frozen=True, slots=True)
class LanguageHead:
    """How a family predicts masked tokens: dense → activation → norm → vocabulary."""

    dense: str
    norm: str
    decoder: str
    biases: tuple[str, ...]
    """Names under which the vocabulary's bias is found, the first that exists."""
    activation: str = "gelu"
    """Empty: the body's own."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family; `model_type` of config.json chooses it."""

    base: str
    """Prefix of the body's weights in a checkpoint with a head."""
    classifier: Classifier
    language: LanguageHead
    names: LayerNames = field(default_factory=LayerNames)
    layer: str = "encoder.layer.{layer}"
    """Prefix of one layer; may name {group} and {inner} (ALBERT)."""
    embedding_norm: str = "embeddings.LayerNorm"
    embedding_projection: str = ""
    """Module from the embeddings' size to the hidden size, where they differ."""
    relative_positions: str = ""
    """Weight of the relative position bias."""
    has_type_ids: bool = True
    padding_index: int | None = None
    """Positions begin after it; None: they begin at 0; -1: after config.json's pad_token_id."""
    spelling: Mapping[str, str] = field(default_factory=dict)
    """Our name of a size → config.json's, where it is not the usual one."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What config.json means when it leaves a size out."""


_ROBERTA_LANGUAGE = LanguageHead(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder.weight", ("lm_head.decoder.bias", "lm_head.bias")
)

_ROBERTA = Architecture(
    base="roberta",
    classifier=Classifier("classifier.dense", "classifier.out_proj"),
    language=_ROBERTA_LANGUAGE,
    padding_index=-1,
    defaults={"pad_token_id": 1},
)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(
        base="bert",
        classifier=Classifier("pooler.dense", "classifier", in_body=True),
        language=LanguageHead(
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder.weight",
            ("cls.predictions.decoder.bias", "cls.predictions.bias"),
            activation="",
        ),
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Architecture(
        base="distilbert",
        classifier=Classifier("pre_classifier", "classifier", activation="relu"),
        language=LanguageHead(
            "vocab_transform",
            "vocab_layer_norm",
            "vocab_projector.weight",
            ("vocab_projector.bias",),
            activation="",
        ),
        names=LayerNames(
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            attention_out="attention.out_lin",
            attention_norm="sa_layer_norm",
            ffn_in="ffn.lin1",
            ffn_out="ffn.lin2",
            ffn_norm="output_layer_norm",
        ),
        layer="transformer.layer.{layer}",
        has_type_ids=False,
        spelling={
            "hidden_size": "dim",
            "num_attention_heads": "n_heads",
            "num_hidden_layers": "n_layers",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
        },
        defaults={"num_hidden_layers": 6},
    ),
    "mpnet": Architecture(
        base="mpnet",
        classifier=Classifier("classifier.dense", "classifier.out_proj"),
        language=_ROBERTA_LANGUAGE,
        names=LayerNames(
            query="attention.attn.q",
            key="attention.attn.k",
            value="attention.attn.v",
            attention_out="attention.attn.o",
            attention_norm="attention.LayerNorm",
        ),
        relative_positions="encoder.relative_attention_bias.weight",
        has_type_ids=False,
        padding_index=1,
        defaults={"vocab_size": 30527, "pad_token_id": 1},
    ),
    "electra": Architecture(
        base="electra",
        classifier=Classifier("classifier.dense", "classifier.out_proj", activation="gelu"),
        language=LanguageHead(
            "generator_predictions.dense",
            "generator_predictions.LayerNorm",
            "generator_lm_head.weight",
            ("generator_lm_head.bias",),
        ),
        embedding_projection="embeddings_project",
        defaults={
            "hidden_size": 256,
            "embedding_size": 128,
            "num_attention_heads": 4,
            "intermediate_size": 1024,
        },
    ),
    "albert": Architecture(
        base="albert",
        classifier=Classifier("pooler", "classifier", in_body=True),
        language=LanguageHead(
            "predictions.dense",
            "predictions.LayerNorm",
            "predictions.decoder.weight",
            ("predictions.decoder.bias", "predictions.bias"),
            activation="",
        ),
        names=LayerNames(
            query="attention.query",
            key="attention.key",
            value="attention.value",
            attention_out="attention.dense",
            attention_norm="attention.LayerNorm",
            ffn_in="ffn",
            ffn_out="ffn_output",
            ffn_norm="full_layer_layer_norm",
        ),
        layer="encoder.albert_layer_groups.{group}.albert_layers.{inner}",
        embedding_projection="encoder.embedding_hidden_mapping_in",
        defaults={
            "vocab_size": 30000,
            "hidden_size": 4096,
            "embedding_size": 128,
            "num_attention_heads": 64,
            "intermediate_size": 16384,
            "hidden_act": "gelu_new",
        },
    ),
}

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
}


def known_architectures() -> tuple[str, ...]:
    """The values of config.json's `model_type` that can be converted without torch."""
    return tuple(ARCHITECTURES)


def find_architecture(config: Mapping[str, Any]) -> Architecture:
    """The family of a config.json. Raises Unsupported naming what is not known and what to do instead."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise Unsupported(
            f"the architecture {kind!r} (model_type of config.json) cannot be converted by Naiad itself; "
            f"known: {', '.join(ARCHITECTURES)}. Export it with `optimum-cli export onnx --model MODEL FOLDER` "
            "(pip install optimum-onnx, in an environment of its own) and serve that folder",
            model_type=kind,
        )
    return ARCHITECTURES[kind]
