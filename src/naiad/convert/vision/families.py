"""The known families of image encoders and where they differ, as one table.

All cut an image into patches, put tokens of their own before them and run pre-norm transformer layers. A family says
how its weights are named, what stands around the layers, and what makes one vector of an image.
Not here: the graph itself (`images.py`), sizes (`sizes.py`), and the text encoders of CLIP and SigLIP (`texts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from naiad.core.errors import Unsupported


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Module names within one layer; each has `.weight` and, unless config.json says otherwise, `.bias`."""

    query: str = "attention.attention.query"
    key: str = "attention.attention.key"
    value: str = "attention.attention.value"
    attention_out: str = "attention.output.dense"
    attention_norm: str = "layernorm_before"
    attention_scale: str = ""
    """Weight that the attention's output is multiplied by, channel by channel; empty: none."""
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    ffn_norm: str = "layernorm_after"
    ffn_scale: str = ""


@dataclass(frozen=True, slots=True)
class ImageFamily:
    """One family; `model_type` of config.json chooses it."""

    base: str
    """Prefix of the body's weights in a checkpoint with a head."""
    defaults: Mapping[str, Any]
    """What config.json means when it leaves a size out."""
    embedding: str
    """How one vector is made of an image; a key of `pooling.POOLINGS`."""
    classifier: str = "first"
    """What the classifier sees; a key of `pooling.CLASSIFIERS`."""
    names: LayerNames = field(default_factory=LayerNames)
    layer: str = "encoder.layer.{layer}"
    patches: str = "embeddings.patch_embeddings.projection"
    positions: str = "embeddings.position_embeddings"
    tokens: tuple[str, ...] = ("embeddings.cls_token",)
    """Weights of the tokens before the patches; each has a position."""
    registers: str = ""
    """Weight of further tokens between those and the patches, without positions."""
    resampling: str = ""
    """How positions become those of another image size, without being asked: `bicubic`, `antialias`; empty: never."""
    pre_norm: str = ""
    """Norm before the first layer."""
    final_norm: str = "layernorm"
    """Norm of the last hidden state; empty: none."""
    section: str = ""
    """Part of config.json that describes the image encoder, where it has several."""


_VIT_DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "qkv_bias": True,
}

_DINO_NAMES = LayerNames(
    attention_norm="norm1",
    attention_scale="layer_scale1.lambda1",
    ffn_in="mlp.fc1",
    ffn_out="mlp.fc2",
    ffn_norm="norm2",
    ffn_scale="layer_scale2.lambda1",
)

CLIP_NAMES = LayerNames(
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    attention_out="self_attn.out_proj",
    attention_norm="layer_norm1",
    ffn_in="mlp.fc1",
    ffn_out="mlp.fc2",
    ffn_norm="layer_norm2",
)

_BEIT = ImageFamily(
    "beit",
    defaults=_VIT_DEFAULTS,
    names=LayerNames(attention_scale="lambda_1", ffn_scale="lambda_2"),
    embedding="beit",
    classifier="embedding",
    resampling="bicubic",
)

_CLIP = ImageFamily(
    "vision_model",
    defaults={**_VIT_DEFAULTS, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    names=CLIP_NAMES,
    layer="encoder.layers.{layer}",
    patches="embeddings.patch_embedding",
    positions="embeddings.position_embedding.weight",
    tokens=("embeddings.class_embedding",),
    pre_norm="pre_layrnorm",
    final_norm="",
    embedding="clip",
    classifier="patches",
    section="vision_config",
)

_SIGLIP = ImageFamily(
    "vision_model",
    defaults={**_VIT_DEFAULTS, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6},
    names=CLIP_NAMES,
    layer="encoder.layers.{layer}",
    patches="embeddings.patch_embedding",
    positions="embeddings.position_embedding.weight",
    tokens=(),
    final_norm="post_layernorm",
    embedding="siglip",
    classifier="patches",
    section="vision_config",
)

IMAGE_FAMILIES: dict[str, ImageFamily] = {
    "vit": ImageFamily("vit", defaults=_VIT_DEFAULTS, embedding="pooler"),
    "deit": ImageFamily(
        "deit",
        defaults=_VIT_DEFAULTS,
        tokens=("embeddings.cls_token", "embeddings.distillation_token"),
        embedding="pooler",
    ),
    "beit": _BEIT,
    "data2vec-vision": replace(_BEIT, base="data2vec_vision"),
    "dinov2": ImageFamily(
        "dinov2",
        defaults={**_VIT_DEFAULTS, "layer_norm_eps": 1e-6, "patch_size": 14},
        names=_DINO_NAMES,
        embedding="first",
        classifier="first-and-patches",
        resampling="bicubic",
    ),
    "dinov2_with_registers": ImageFamily(
        "dinov2_with_registers",
        defaults={**_VIT_DEFAULTS, "layer_norm_eps": 1e-6, "num_register_tokens": 4},
        names=_DINO_NAMES,
        registers="embeddings.register_tokens",
        embedding="first",
        classifier="first-and-patches",
        resampling="antialias",
    ),
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
}


def find_image_family(config: Mapping[str, Any]) -> ImageFamily:
    """The family of a config.json. Raises Unsupported naming what is not known and what to do instead."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in IMAGE_FAMILIES:
        raise Unsupported(
            f"the image model {kind!r} (model_type of config.json) cannot be converted by Naiad itself; "
            f"known: {', '.join(IMAGE_FAMILIES)}. Export it to ONNX with the input `pixel_values` and serve that",
            model_type=kind,
        )
    return IMAGE_FAMILIES[kind]


def section_of(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The part of config.json that describes one encoder; the whole where the file describes no other.

    `NAME_dict`, which old files have besides, is the one that counts.
    """
    if not name:
        return config
    part = config.get(f"{name}_dict")
    if part is None:
        part = config.get(name, config if str(config.get("model_type", "")).endswith("_model") else {})
    return part if isinstance(part, Mapping) else {}
