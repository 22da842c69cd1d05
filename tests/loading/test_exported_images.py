"""An image model of a family that is exported to ONNX gives what transformers' pipeline gives."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from naiad import Client
from naiad.testing import running_server

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

LABELS = dict(enumerate("abcdefg"))


def resnet() -> tuple[Any, Any]:
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", id2label=LABELS
    )
    model = transformers.ResNetForImageClassification(config)
    return model, ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875)


def test_an_exported_resnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch exports it when it is served, because our builder does not know the family."""
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(1)
    model, processor = resnet()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model = model.eval()
    folder = tmp_path / "m"
    folder.mkdir()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    images = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (50 + seed, 70, 3)).astype(np.uint8))
        for seed in range(3)
    ]
    with torch.no_grad():
        expected = model(**processor(images, return_tensors="pt")).logits.softmax(-1).sort(descending=True)
    with running_server(str(folder)) as server:
        assert server.all_loaded, server.server.catalog.index()
        with Client(server.address) as client:
            answer = client.model("m").infer({"image": [encoded(image) for image in images]})
    assert [[LABELS[at] for at in row[:5]] for row in expected.indices.tolist()] == answer["labels"].tolist()
    assert np.abs(expected.values[:, :5].numpy() - answer["scores"]).max() < 1e-4


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
