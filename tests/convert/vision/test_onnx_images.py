"""Exported image models: what takes the pixels and which output means what is told by name and shape, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from small_exports import HIDDEN, LABELS, SIDE, expected_logits, write_export

from naiad.backends.registry import ENCODERS, find_backend
from naiad.convert.onnx_images import describe_exported_images
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.encoding.encoder import EncoderSpec, ImagePixels
from naiad.core.errors import LoadFailed

PIXELS = np.random.default_rng(5).standard_normal((4, 3, SIDE, SIDE)).astype(np.float32)


def run(
    folder: Path, head: str = "image-classification", size: Any = (SIDE, SIDE), output: str = ""
) -> tuple[list[dict[str, Any]], EncoderSpec]:
    files = describe_exported_images(folder / "model.onnx", folder, head, size, output=output)
    instances: Any = find_backend(ENCODERS).load(LoadRequest(files, ("m_0",)))
    spec = files.spec
    names = tuple(one.name for one in spec.outputs)
    results: Any = instances.narrow[0].execute(Batch([ImagePixels(image, names, 1) for image in PIXELS]))
    instances.close()
    return results, spec


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pixels": "input", "logits": "output_0"},
        {"shape": (1, 3, SIDE, SIDE)},
        {"shape": ("batch", 3, "height", "width")},
        {"shape": ("batch", "channels", "height", "width")},
        {"pixels": "x", "shape": ("batch", SIDE, SIDE, 3), "channels_last": True},
        {"more": ("pooler_output", "last_hidden_state")},
    ],
)
def test_classifiers(changes: dict[str, Any], tmp_path: Path) -> None:
    results, spec = run(write_export(tmp_path / "m", **changes))
    assert ([one.name for one in spec.outputs], spec.outputs[0].width, spec.gives_shares) == (["logits"], LABELS, False)
    assert (spec.channels, spec.height, spec.width) == (3, SIDE, SIDE)
    assert np.abs(np.stack([result["logits"] for result in results]) - expected_logits(PIXELS)).max() < 1e-4


def test_half_precision(tmp_path: Path) -> None:
    results, _ = run(write_export(tmp_path / "m", kind=TensorProto.FLOAT16))
    assert results[0]["logits"].dtype == np.float32
    assert np.allclose(np.stack([result["logits"] for result in results]), expected_logits(PIXELS), atol=0.1, rtol=0.05)


@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_what_ends_in_shares_is_left_alone(end: str, tmp_path: Path) -> None:
    _, spec = run(write_export(tmp_path / "m", logits="prob", end=end))
    assert spec.gives_shares


def test_the_user_names_the_output(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "m", logits="scores_of_labels", more=("pooler_output",))
    results, _ = run(folder, output="scores_of_labels")
    assert np.abs(results[0]["logits"] - expected_logits(PIXELS)[0]).max() < 1e-4


def test_embeddings(tmp_path: Path) -> None:
    results, spec = run(write_export(tmp_path / "m", more=("pooler_output", "last_hidden_state")), "image-embedding")
    assert [(one.name, one.width) for one in spec.outputs] == [("embedding", HIDDEN), ("last_hidden_state", HIDDEN)]
    assert np.abs(results[1]["last_hidden_state"].mean(axis=0) - results[1]["embedding"]).max() < 1e-5


def test_without_a_vector_the_class_token_stands_for_the_image(tmp_path: Path) -> None:
    config = {"model_type": "vit", "hidden_size": HIDDEN}
    folder = write_export(tmp_path / "m", more=("last_hidden_state",), config=config)
    results, _ = run(folder, "image-embedding")
    assert np.array_equal(results[2]["last_hidden_state"][0], results[2]["embedding"])


@pytest.mark.parametrize(
    ("changes", "head", "size", "message"),
    [
        ({"shape": (2, 3, SIDE, SIDE)}, "image-classification", (SIDE, SIDE), "batch axis is fixed at 2"),
        ({}, "image-classification", (32, 32), "preprocessor_config.json makes images of 32 x 32"),
        ({"shape": ("b", "c", "h", "w"), "pixels": "x"}, "image-classification", (SIDE, SIDE), "first or last"),
        ({"shape": ("b", 3, "h", "w")}, "image-classification", None, "how large images are"),
        ({"logits": "a", "more": ("pooler_output",)}, "image-classification", (SIDE, SIDE), "called `logits`.*output:"),
        ({"config": {"id2label": {"0": "x"}}}, "image-classification", (SIDE, SIDE), "each of the 1 labels"),
        ({}, "image-embedding", (SIDE, SIDE), "none of the outputs is known as a vector"),
        ({"more": ("last_hidden_state",)}, "image-embedding", (SIDE, SIDE), "none of the outputs is known as a vector"),
    ],
)
def test_what_cannot_be_told_is_refused(
    changes: dict[str, Any], head: str, size: Any, message: str, tmp_path: Path
) -> None:
    folder = write_export(tmp_path / "m", **changes)
    with pytest.raises(LoadFailed, match=f"{message}.*its inputs are .*its outputs"):
        describe_exported_images(folder / "model.onnx", folder, head, size)
