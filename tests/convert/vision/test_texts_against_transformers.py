"""The text encoders of CLIP and SigLIP, packed in mixed lengths, and the similarity give what transformers gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.convert.image_checkpoint import convert_image_checkpoint, convert_text_encoder
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import ImagePixels, TextTokens
from naiad.core.errors import NaiadError, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4

LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
TEXT = {**LAYERS, "hidden_size": 30, "vocab_size": 90, "max_position_embeddings": 16}
TOKENS = {"bos_token_id": 88, "eos_token_id": 89, "pad_token_id": 89}
VISION = {**LAYERS, "hidden_size": 24, "image_size": 32, "patch_size": 8}

OUTPUTS = ("embedding", "last_hidden_state")


def make_model(name: str, **text: Any) -> Any:
    changes = {"projection_dim": 20} if name == "CLIP" else {}
    texts = {**TEXT, **TOKENS, **text}
    if name == "Siglip":
        texts.setdefault("projection_size", VISION["hidden_size"])
    config = getattr(transformers, f"{name}Config")(text_config=texts, vision_config=VISION, **changes)
    torch.manual_seed(4)
    model = getattr(transformers, f"{name}Model")(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            is_norm = "norm" in parameter_name.lower() and parameter_name.endswith("weight")
            parameter.copy_(float(is_norm) + (0.2 if parameter.dim() > 1 else 0.3) * torch.randn_like(parameter))
    return model.eval()


def texts(end: int | None = 89) -> list[Any]:
    random = np.random.default_rng(9)
    rows = [random.integers(3, 88, length) for length in (5, 1, 14, 2, 9)]
    return [np.array([88, *row, *([end] if end is not None else [])])[:16] for row in rows]


def run_texts(folder: Path, rows: list[Any]) -> list[Any]:
    converted = convert_text_encoder(folder)
    items = [TextTokens(row, OUTPUTS) for row in rows]
    results = open_encoder(converted.graph, converted.spec).execute(Batch(items))
    assert not any(isinstance(result, NaiadError) for result in results)
    return list(results)


def assert_texts_equal(model: Any, folder: Path, rows: list[Any]) -> None:
    model.save_pretrained(folder)
    for row, result in zip(rows, run_texts(folder, rows), strict=True):
        with torch.no_grad():
            answer = model.get_text_features(torch.tensor(row)[None])
        for name, expected in (("embedding", answer.pooler_output), ("last_hidden_state", answer.last_hidden_state)):
            assert np.abs(expected[0].numpy() - result[name]).max() <= TOLERANCE, name


@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
def test_texts(name: str, tmp_path: Path) -> None:
    assert_texts_equal(make_model(name), tmp_path, texts())


@pytest.mark.parametrize("end", [89, None])
def test_clips_legacy_end_is_the_highest_id(end: int | None, tmp_path: Path) -> None:
    """config.json files of 2021 say eos_token_id: 2."""
    assert_texts_equal(make_model("CLIP", eos_token_id=2), tmp_path, texts(end))


def test_padding_with_the_end_token_and_texts_without_one(tmp_path: Path) -> None:
    rows = [np.array([88, 4, 5, 89, 89, 89]), np.array([88, 7, 8]), np.array([89, 3]), np.array([88, 9, 89])]
    assert_texts_equal(make_model("CLIP"), tmp_path, rows)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("CLIP", {"hidden_size": 33, "hidden_act": "gelu", "layer_norm_eps": 1e-3}),
        ("Siglip", {"projection_size": 50, "hidden_act": "relu"}),
        ("Siglip", {"hidden_size": 300, "num_attention_heads": 12}),
    ],
)
def test_options(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    assert_texts_equal(make_model(name, **changes), tmp_path, texts())


@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
def test_images_and_their_similarity_to_texts(name: str, tmp_path: Path) -> None:
    model = make_model(name)
    model.save_pretrained(tmp_path)
    values = np.random.default_rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32)
    rows = [row for row in texts() if len(row) == 7] * 2
    converted = convert_image_checkpoint(tmp_path, head="image-embedding", image=(32, 32))
    images: Any = open_encoder(converted.graph, converted.spec).execute(
        Batch([ImagePixels(image, ("embedding",), 1) for image in values])
    )
    spec = convert_text_encoder(tmp_path).spec
    with torch.no_grad():
        answer = model(input_ids=torch.tensor(np.stack(rows)), pixel_values=torch.tensor(values))
    image_vectors, text_vectors = (
        np.stack([result["embedding"] for result in results]) for results in (images, run_texts(tmp_path, rows))
    )
    image_vectors, text_vectors = (
        one / np.linalg.norm(one, axis=1, keepdims=True) for one in (image_vectors, text_vectors)
    )
    assert np.abs(answer.image_embeds.numpy() - image_vectors).max() <= TOLERANCE
    assert np.abs(answer.text_embeds.numpy() - text_vectors).max() <= TOLERANCE
    logits = image_vectors @ text_vectors.T * spec.similarity_scale + spec.similarity_bias
    assert np.abs(answer.logits_per_image.numpy() - logits).max() <= TOLERANCE


def test_the_old_place_of_the_sizes_counts(tmp_path: Path) -> None:
    """config.json files of 2022 have `text_config_dict` beside `text_config`, and it wins."""
    import json

    model = make_model("CLIP")
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config_dict"], config["text_config"] = config["text_config"], {"hidden_size": 999}
    config["vision_config_dict"], config["vision_config"] = config["vision_config"], {"hidden_size": 999}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert run_texts(tmp_path, texts())[0]["embedding"].shape == (20,)
    assert convert_image_checkpoint(tmp_path, head="image-embedding").spec.max_tokens == 17


def test_a_model_without_texts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(Unsupported, match="has no text encoder"):
        convert_text_encoder(tmp_path)
