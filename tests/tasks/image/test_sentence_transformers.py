"""Folders of sentence-transformers around CLIP and ViT, served, and compared with that library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from naiad import Client
from naiad.testing import RunningServer, running_server

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
library = pytest.importorskip("sentence_transformers", reason="it is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

LAYERS = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
VISION = {**LAYERS, "image_size": 32, "patch_size": 8, "initializer_range": 0.3}

TEXTS = ["a cat", "rain"]
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40 + seed, 50, 3), dtype=np.uint8))
    for seed in range(2)
]

TOLERANCE = 1e-4


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


FILES = [encoded(image) for image in PICTURES]


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP as transformers writes it."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("clip")
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    write(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 30, "bos_token": "<|startoftext|>"}
    write(folder / "tokenizer_config.json", {**settings, **names})
    text = {**LAYERS, "vocab_size": len(tokens), "max_position_embeddings": 30, "initializer_range": 0.3}
    text |= {"eos_token_id": len(tokens) - 1, "bos_token_id": len(tokens) - 2}
    config = transformers.CLIPConfig(projection_dim=16, text_config=text, vision_config=VISION)
    transformers.CLIPModel(config).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    content = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": side}
    write(folder / "preprocessor_config.json", {**content, "do_center_crop": True, "resample": 3})
    return folder


@pytest.fixture
def make(clip: Path, tmp_path: Path) -> Callable[..., Path]:
    """A folder around the CLIP, as old versions wrote it: kinds of the modules behind it, and the settings."""

    def made(name: str, *rest: str, **settings: Any) -> Path:
        folder = tmp_path / name
        shutil.copytree(clip, folder / "0_CLIPModel")
        kinds = ["CLIPModel", *rest]
        paths = [f"{number}_{kind}" for number, kind in enumerate(kinds)]
        for path in paths:
            (folder / path).mkdir(exist_ok=True)
        rows = [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(zip(paths, kinds, strict=True))
        ]
        write(folder / "modules.json", rows)
        write(folder / "config_sentence_transformers.json", settings)
        return folder

    return made


def check(running: RunningServer, folder: Path, *, text: bool = True) -> None:
    """Compare vectors, and the width that the metadata names."""
    model = library.SentenceTransformer(str(folder), device="cpu")
    with Client(running.address) as client:
        served = client.model(folder.name)
        images = served.infer({"image": FILES})["embedding"]
        assert served.metadata().outputs[0].shape[-1] == images.shape[1]
        expected = model.encode(PICTURES)
        assert images.shape == expected.shape
        assert np.abs(images - expected).max() <= TOLERANCE
        if text:
            assert np.abs(served.infer({"text": TEXTS})["embedding"] - model.encode(TEXTS)).max() <= TOLERANCE


def test_clip(make: Callable[..., Path]) -> None:
    prompts = {"query": "a photo of ", "document": ""}
    folders = [
        make("alone"),
        make("normalized", "Normalize"),
        make("cut", truncate_dim=8),
        make("normalized-and-cut", "Normalize", truncate_dim=8),
        make("prompted", prompts=prompts, default_prompt_name="query"),
    ]
    refused = make("dense", "Dense")
    write(refused / "1_Dense" / "config.json", {"in_features": 16, "out_features": 8})
    new = refused.with_name("new")
    model = library.SentenceTransformer(str(folders[3]), device="cpu")
    model.save_pretrained(str(new))
    with running_server(*map(str, [*folders, refused, new])) as running:
        for folder in [*folders, new]:
            check(running, folder)
        (row,) = [row for row in running.server.catalog.index() if row["state"] != "READY"]
        assert row["name"] == "dense"
        assert "the module sentence_transformers.models.Dense of modules.json is not computed" in row["reason"]
        with Client(running.address) as client:
            cut = client.model("alone").infer({"text": TEXTS}, parameters={"truncate_dim": 5, "normalize": True})
            assert np.allclose(np.linalg.norm(cut["embedding"], axis=1), 1, atol=1e-5)
            assert cut["embedding"].shape == (2, 5)
            prompted = client.model("prompted")
            plain = prompted.infer({"text": TEXTS}, parameters={"prompt_name": "document"})["embedding"]
            assert np.allclose(plain, client.model("alone").infer({"text": TEXTS})["embedding"], atol=1e-5)


def test_vit(tmp_path: Path) -> None:
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    source = tmp_path / "source"
    transformers.ViTModel(transformers.ViTConfig(**VISION)).save_pretrained(source)
    size = {"height": 32, "width": 32}
    write(source / "preprocessor_config.json", {"image_processor_type": "ViTImageProcessor", "size": size})
    folders = []
    for mode in ("cls", "mean", "max", "lasttoken"):
        modules = [Transformer(str(source)), Pooling(24, mode), *([Normalize()] if mode == "mean" else [])]
        truncated = {"truncate_dim": 10} if mode == "max" else {}
        made = library.SentenceTransformer(modules=modules, device="cpu", **truncated)
        made.save_pretrained(str(tmp_path / mode))
        if truncated:
            settings = json.loads((tmp_path / mode / "config_sentence_transformers.json").read_text())
            write(tmp_path / mode / "config_sentence_transformers.json", {**settings, **truncated})
        folders.append(tmp_path / mode)
    with running_server(*map(str, folders)) as running:
        for folder in folders[:3]:
            check(running, folder, text=False)
        (row,) = [row for row in running.server.catalog.index() if row["state"] != "READY"]
        assert row["name"] == "lasttoken"
        assert "the pooling lasttoken is not computed" in row["reason"]
