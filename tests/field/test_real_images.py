"""A real image classifier out of a package, served from its ONNX file, answers as the bare runtime does."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from weights.packages import open_nsfw_file

from naiad import Client
from naiad.testing import running_server

pytestmark = pytest.mark.weights

CONFIG = {
    "model_type": "resnet",
    "architectures": ["ResNetForImageClassification"],
    "id2label": {"0": "sfw", "1": "nsfw"},
}

PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 256, "width": 256},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": False,
    "image_mean": [123.0, 117.0, 104.0],
    "image_std": [1.0, 1.0, 1.0],
}
"""What its authors do, but for the order of the channels and a round trip through JPEG, which nobody else does."""


def picture(seed: int) -> Image.Image:
    down, across = np.mgrid[0 : 300 + 50 * seed, 0:400]
    shapes = np.stack([down % (40 + seed) * 6, across % 97 * 2, (down + across) % 255], -1)
    return Image.fromarray(shapes.astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def prepared(image: Image.Image) -> Any:
    """(224, 224, 3), red first."""
    resized = np.asarray(image.resize((256, 256), Image.Resampling.BILINEAR), np.float32)
    return resized[16:240, 16:240] - np.array(PROCESSOR["image_mean"], np.float32)


def test_open_nsfw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    file = open_nsfw_file(tmp_path / "package")
    folder = tmp_path / "open-nsfw"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    file.rename(folder / "model.onnx")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    images = [picture(seed) for seed in range(3)]
    red_first = np.stack([prepared(image) for image in images])
    with running_server(str(folder)) as server:
        assert server.all_loaded, server.server.catalog.index()
        with Client(server.address) as client:
            answer = client.model("open-nsfw").infer({"image": [encoded(image) for image in images]})
            blue_first = np.ascontiguousarray(red_first[..., ::-1])
            view = client.model("open-nsfw.tensors").infer({"pixel_values": blue_first.transpose(0, 3, 1, 2)})
    (expected,) = session.run(None, {"input_0": red_first})
    assert np.abs(expected.max(axis=1) - answer["score"]).max() < 1e-5
    assert answer["label"].tolist() == [("sfw", "nsfw")[at] for at in expected.argmax(axis=1)]
    assert np.allclose(answer["scores"].sum(axis=1), 1, atol=1e-5)
    (as_trained,) = session.run(None, {"input_0": blue_first})
    assert np.abs(as_trained - view["logits"]).max() < 1e-5
    assert (as_trained[:, 0] > 0.5).all(), "stripes are safe"
