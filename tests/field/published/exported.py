"""Families that the builder does not know: torch's exporter makes their graphs while the model loads."""

from __future__ import annotations

from published.images import IMAGENET, image_row
from published.row import Sentence
from published.sizes import BASE, bert, numbered, row, uncased

CONVBERT = {
    **bert(BASE, 30522),
    "model_type": "convbert",
    "embedding_size": 768,
    "head_ratio": 2,
    "conv_kernel_size": 9,
    "num_groups": 1,
}
CONVNEXT = {
    "model_type": "convnext",
    "num_channels": 3,
    "patch_size": 4,
    "hidden_sizes": [96, 192, 384, 768],
    "depths": [1, 1, 1, 1],
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "layer_scale_init_value": 1e-6,
    "image_size": 224,
}
RESNET = {
    "model_type": "resnet",
    "num_channels": 3,
    "embedding_size": 64,
    "hidden_sizes": [256, 512, 1024, 2048],
    "depths": [1, 1, 1, 1],
    "layer_type": "bottleneck",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
}
SWIN = {
    "model_type": "swin",
    "image_size": 224,
    "patch_size": 4,
    "embed_dim": 96,
    "depths": [1, 1, 1, 1],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "hidden_size": 768,
    "layer_norm_eps": 1e-5,
    "use_absolute_embeddings": False,
}
CONVNEXT_PROCESSOR = {
    "feature_extractor_type": "ConvNextFeatureExtractor", "do_resize": True, "do_normalize": True, "resample": 3,
    "size": 224, "crop_pct": 0.875, **IMAGENET,
}  # fmt: skip
SWIN_PROCESSOR = {
    "feature_extractor_type": "ViTFeatureExtractor", "do_resize": True, "do_normalize": True, "resample": 3,
    "size": 224, **IMAGENET,
}  # fmt: skip

ROWS = (
    row(
        "YituTech/conv-bert-base", "ConvBertModel", CONVBERT, uncased(has_json=False, tokenizer_class="ConvBertTokenizer"),
        sentence=Sentence(max_seq_length=512),
    ),
    image_row("microsoft/resnet-50", "ResNetForImageClassification", RESNET, CONVNEXT_PROCESSOR, numbered(1000)),
    image_row("facebook/convnext-tiny-224", "ConvNextForImageClassification", CONVNEXT, CONVNEXT_PROCESSOR, numbered(1000)),
    image_row(
        "microsoft/swin-tiny-patch4-window7-224", "SwinForImageClassification", SWIN, SWIN_PROCESSOR, numbered(1000),
    ),
)  # fmt: skip
