"""Shapes of the Hub's most used image models, in one layer with random weights, against transformers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.convert.image_checkpoint import convert_image_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import ImagePixels

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4

SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
BEIT = {"use_relative_position_bias": True, "num_labels": 1000}

PUBLISHED: dict[str, tuple[str, dict[str, Any], int]] = {
    "google/vit-base-patch16-224": ("ViTForImageClassification", {"num_labels": 1000}, 224),
    "google/vit-base-patch32-384": ("ViTForImageClassification", {"image_size": 384, "patch_size": 32}, 384),
    "WinKawaks/vit-tiny-patch16-224": ("ViTForImageClassification", {**TINY, "num_labels": 1000}, 224),
    "facebook/dino-vits8": ("ViTModel", {**SMALL, "patch_size": 8, "image_size": 112}, 112),
    "facebook/deit-small-distilled": ("DeiTForImageClassificationWithTeacher", {**SMALL, "num_labels": 1000}, 224),
    "microsoft/beit-base-patch16-224": ("BeitForImageClassification", BEIT, 224),
    "facebook/dinov2-small": ("Dinov2Model", {**SMALL, "image_size": 518}, 224),
    "facebook/dinov2-with-registers-small": (
        "Dinov2WithRegistersModel",
        {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14},
        224,
    ),
    "openai/clip-vit-base-patch32": ("CLIPVisionModelWithProjection", {}, 224),
    "google/siglip-base-patch16-224": ("SiglipVisionModel", {}, 224),
    "google/siglip-so400m-patch14-384": (
        "SiglipVisionModel",
        {
            "hidden_size": 1152,
            "num_attention_heads": 16,
            "intermediate_size": 4304,
            "image_size": 384,
            "patch_size": 14,
        },
        384,
    ),
}
"""Checkpoint → class, what its config.json says besides the defaults, and the size of prepared images."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(name: str, tmp_path: Path) -> None:
    kind, changes, side = PUBLISHED[name]
    config = getattr(transformers, re.split("For|Model", kind)[0] + "Config")(num_hidden_layers=1, **changes)
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" not in parameter_name:
                parameter.normal_(std=0.05)
    model.save_pretrained(tmp_path)
    values = np.random.default_rng(0).standard_normal((2, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        answer = model(pixel_values=torch.tensor(values))
    head = "image-classification" if "ForImage" in kind else "image-embedding"
    expected = answer.logits if "ForImage" in kind else answer.get("image_embeds", answer.get("pooler_output"))
    converted = convert_image_checkpoint(tmp_path, head=head, image=(side, side))
    output = "logits" if "ForImage" in kind else "embedding"
    results: Any = open_encoder(converted.graph, converted.spec).execute(
        Batch([ImagePixels(image, (output,), 1) for image in values])
    )
    ours = np.stack([result[output] for result in results])
    assert np.abs(expected.numpy() - ours).max() <= TOLERANCE
