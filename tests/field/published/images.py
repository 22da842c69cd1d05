"""Image models: ViT and its kin as classifiers and for vectors, CLIP."""

from __future__ import annotations

from typing import Any

from published.row import Published, Vocabulary
from published.sizes import BASE, LARGE, Sizes, numbered, widths

HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
VIT_PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "rescale_factor": 0.00392156862745098,
    "resample": 2,
    "size": {"height": 224, "width": 224},
    **HALF,
}
OLD_VIT_PROCESSOR = {
    "feature_extractor_type": "ViTFeatureExtractor", "do_resize": True, "do_normalize": True, "resample": 2, "size": 224,
    **HALF,
}  # fmt: skip
DEIT_PROCESSOR = {
    "feature_extractor_type": "DeiTFeatureExtractor", "do_resize": True, "size": 256, "do_center_crop": True,
    "crop_size": 224, "do_normalize": True, "resample": 3, **IMAGENET,
}  # fmt: skip
BEIT_PROCESSOR = {
    "feature_extractor_type": "BeitFeatureExtractor", "do_resize": True, "size": 224, "do_center_crop": False,
    "crop_size": 224, "do_normalize": True, "resample": 2, **HALF,
}  # fmt: skip
DINO_PROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_convert_rgb": True,
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "resample": 3,
    **IMAGENET,
}
CLIP_PROCESSOR = {
    "feature_extractor_type": "CLIPFeatureExtractor", "do_resize": True, "size": 224, "do_center_crop": True,
    "crop_size": 224, "do_normalize": True, "resample": 3, **CLIP_COLOURS,
}  # fmt: skip

TINY: Sizes = (192, 3, 768)
DINO_SMALL: Sizes = (384, 6, 1536)


def image_row(
    name: str, model: str, config: dict[str, Any], processor: dict[str, Any], labels: tuple[str, ...] = ()
) -> Published:
    """A line of the table: classifiers have labels, all others give vectors."""
    task = "image-classification" if labels else "image-feature-extraction"
    return Published(name=name, model=model, task=task, config=config, processor=processor, labels=labels)


def vit(sizes: Sizes, **others: Any) -> dict[str, Any]:
    """config.json of a ViT."""
    return {
        "model_type": "vit",
        **widths(sizes),
        "image_size": 224,
        "patch_size": 16,
        "num_channels": 3,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "qkv_bias": True,
        **others,
    }


def dino(sizes: Sizes, **others: Any) -> dict[str, Any]:
    """config.json of a DINOv2."""
    width, heads, _ = sizes
    return {
        "model_type": "dinov2",
        "hidden_size": width,
        "num_attention_heads": heads,
        "mlp_ratio": 4,
        "image_size": 518,
        "patch_size": 14,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "layerscale_value": 1.0,
        "qkv_bias": True,
        "use_swiglu_ffn": False,
        "apply_layernorm": True,
        "reshape_hidden_states": True,
        **others,
    }


CLIP: dict[str, Any] = {
    "model_type": "clip",
    "projection_dim": 512,
    "logit_scale_init_value": 2.6592,
    "text_config": {
        "model_type": "clip_text_model", "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048,
        "num_attention_heads": 8, "num_hidden_layers": 2, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5, "projection_dim": 512, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    },
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
        "num_hidden_layers": 2, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5, "projection_dim": 512,
    },
}  # fmt: skip
CLIP_WORDS = Vocabulary(
    kind="clip",
    size=49408,
    config={
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    },
)  # fmt: skip

IMAGENET_LABELS = numbered(1000)

ROWS = (
    image_row("google/vit-base-patch16-224", "ViTForImageClassification", vit(BASE), OLD_VIT_PROCESSOR, IMAGENET_LABELS),
    image_row("google/vit-base-patch16-224-in21k", "ViTModel", vit(BASE), VIT_PROCESSOR),
    image_row(
        "google/vit-large-patch32-384", "ViTForImageClassification", vit(LARGE, image_size=384, patch_size=32),
        {**OLD_VIT_PROCESSOR, "size": 384}, IMAGENET_LABELS,
    ),
    image_row("Falconsai/nsfw_image_detection", "ViTForImageClassification", vit(BASE), VIT_PROCESSOR, ("normal", "nsfw")),
    image_row(
        "trpakov/vit-face-expression", "ViTForImageClassification", vit(BASE, problem_type="single_label_classification"),
        VIT_PROCESSOR, ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    ),
    image_row("WinKawaks/vit-tiny-patch16-224", "ViTForImageClassification", vit(TINY), VIT_PROCESSOR, IMAGENET_LABELS),
    image_row(
        "facebook/deit-base-distilled-patch16-224", "DeiTForImageClassificationWithTeacher",
        {**vit(BASE), "model_type": "deit"}, DEIT_PROCESSOR, IMAGENET_LABELS,
    ),
    image_row("facebook/deit-small-patch16-224", "ViTForImageClassification", vit(DINO_SMALL), DEIT_PROCESSOR, IMAGENET_LABELS),
    image_row(
        "microsoft/beit-base-patch16-224", "BeitForImageClassification",
        {
            **vit(BASE), "model_type": "beit", "use_relative_position_bias": True, "use_mean_pooling": True,
            "use_absolute_position_embeddings": False, "layer_scale_init_value": 0.1,
        },
        BEIT_PROCESSOR, IMAGENET_LABELS,
    ),
    image_row("facebook/dinov2-small", "Dinov2Model", dino(DINO_SMALL), DINO_PROCESSOR),
    image_row("facebook/dinov2-base", "Dinov2Model", dino(BASE), DINO_PROCESSOR),
    image_row(
        "facebook/dinov2-small-imagenet1k-1-layer", "Dinov2ForImageClassification", dino(DINO_SMALL), DINO_PROCESSOR,
        IMAGENET_LABELS,
    ),
    Published(
        name="openai/clip-vit-base-patch32", model="CLIPModel", task="zero-shot-image-classification", config=CLIP,
        vocabulary=CLIP_WORDS, processor=CLIP_PROCESSOR, card="zero-shot-image-classification",
    ),
)  # fmt: skip
