"""Each family of image encoders, head and option gives what transformers gives on the same random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from naiad.convert.image_checkpoint import convert_image_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import ImagePixels
from naiad.core.errors import InvalidConfiguration, LoadFailed, NaiadError, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (requirements/torch.txt)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (requirements/torch.txt)")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4

SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": 32,
    "patch_size": 8,
}


def make_model(name: str, **changes: Any) -> Any:
    """A model of transformers by its class name; every weight is random, and of a size that shows in the answer."""
    sizes = {**SIZES, **changes}
    for alike in ("ForImageClassificationWithTeacher", "ForImageClassification", "ModelWithProjection", "Model"):
        family = name.removesuffix(alike)
        if family != name:
            break
    config = getattr(transformers, f"{family}Config")(**sizes)
    torch.manual_seed(sum(map(ord, name)))
    model = getattr(transformers, name)(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            is_norm = "norm" in parameter_name.lower() and parameter_name.endswith("weight")
            parameter.copy_(float(is_norm) + (0.2 if parameter.dim() > 1 else 0.3) * torch.randn_like(parameter))
    return model.eval()


def pixels(count: int, height: int, width: int, channels: int = 3) -> Any:
    return np.random.default_rng(3).standard_normal((count, channels, height, width)).astype(np.float32)


def run(folder: Path, head: str, values: Any, quantize: str = "none") -> list[dict[str, Any]]:
    """What our graph says of the images, together in one batch."""
    converted = convert_image_checkpoint(folder, head=head, image=values.shape[2:], quantize=quantize)
    outputs = tuple(output.name for output in converted.spec.outputs)
    items = [ImagePixels(image, outputs, converted.spec.max_tokens) for image in values]
    results = open_encoder(converted.graph, converted.spec).execute(Batch(items))
    assert not any(isinstance(result, NaiadError) for result in results)
    return [dict(result) for result in results]  # type: ignore[arg-type]


def expected_of(model: Any, head: str, values: Any, **options: Any) -> list[dict[str, Any]]:
    with torch.no_grad():
        answer = model(pixel_values=torch.tensor(values), **options)
    if head == "image-classification":
        return [{"logits": row.numpy()} for row in answer.logits]
    states = answer.last_hidden_state
    pooled = getattr(answer, "image_embeds", None)
    if pooled is None:
        pooled = answer.pooler_output if answer.pooler_output is not None else states[:, 0]
    return [
        {"last_hidden_state": state.numpy(), "embedding": one.numpy()}
        for state, one in zip(states, pooled, strict=True)
    ]


def assert_equal(model: Any, folder: Path, head: str, size: tuple[int, int] = (32, 32), channels: int = 3) -> None:
    model.save_pretrained(folder)
    values = pixels(3, *size, channels)
    for expected, result in zip(expected_of(model.float(), head, values), run(folder, head, values), strict=True):
        assert expected.keys() == result.keys()
        for name, array in expected.items():
            assert array.shape == result[name].shape
            assert np.abs(array - result[name]).max() <= TOLERANCE, name


CLASSIFIERS = [
    "ViTForImageClassification",
    "DeiTForImageClassification",
    "DeiTForImageClassificationWithTeacher",
    "BeitForImageClassification",
    "Data2VecVisionForImageClassification",
    "Dinov2ForImageClassification",
    "Dinov2WithRegistersForImageClassification",
]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, tmp_path: Path) -> None:
    assert_equal(make_model(name, num_labels=7), tmp_path, "image-classification")


@pytest.mark.parametrize("name", ["ViTModel", "DeiTModel", "BeitModel", "Dinov2Model", "Dinov2WithRegistersModel"])
def test_embeddings(name: str, tmp_path: Path) -> None:
    assert_equal(make_model(name), tmp_path, "image-embedding")


@pytest.mark.parametrize("name", ["CLIPVisionModel", "CLIPVisionModelWithProjection", "SiglipVisionModel"])
def test_embeddings_of_vision_towers(name: str, tmp_path: Path) -> None:
    changes = {"projection_dim": 20} if name.startswith("CLIP") else {}
    assert_equal(make_model(name, **changes), tmp_path, "image-embedding")


@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
def test_classifiers_on_vision_towers(name: str, tmp_path: Path) -> None:
    config = getattr(transformers, f"{name}Config")(vision_config=SIZES, num_labels=5)
    model = getattr(transformers, f"{name}ForImageClassification")(config).eval()
    assert_equal(model, tmp_path, "image-classification")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ViTModel", {"qkv_bias": False, "hidden_act": "relu", "layer_norm_eps": 1e-3}),
        ("ViTModel", {"pooler_output_size": 10, "pooler_act": "relu"}),
        ("ViTModel", {"hidden_size": 300, "num_attention_heads": 5, "intermediate_size": 77}),
        ("ViTModel", {"hidden_size": 312, "num_attention_heads": 12}),
        ("ViTModel", {"hidden_act": "quick_gelu"}),
        ("BeitModel", {"use_relative_position_bias": True}),
        ("BeitModel", {"use_shared_relative_position_bias": True, "use_absolute_position_embeddings": True}),
        ("BeitModel", {"use_shared_relative_position_bias": True, "use_relative_position_bias": True}),
        ("BeitModel", {"use_mean_pooling": False, "use_mask_token": True, "layer_scale_init_value": 0.0}),
        ("Dinov2Model", {"use_swiglu_ffn": True, "mlp_ratio": 3}),
        ("Dinov2Model", {"use_mask_token": False, "qkv_bias": False}),
        ("Dinov2WithRegistersModel", {"use_swiglu_ffn": True, "num_register_tokens": 3}),
        ("Dinov2WithRegistersModel", {"num_register_tokens": 0}),
    ],
)
def test_options(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    assert_equal(make_model(name, **changes), tmp_path, "image-embedding")


@pytest.mark.parametrize(
    ("name", "size", "patch", "channels"),
    [
        ("ViTModel", (48, 32), 16, 3),
        ("ViTModel", (30, 45), 14, 1),
        ("DeiTModel", (32, 64), 32, 4),
        ("BeitModel", (30, 30), 7, 3),
    ],
)
def test_other_shapes(name: str, size: tuple[int, int], patch: int, channels: int, tmp_path: Path) -> None:
    model = make_model(name, image_size=list(size), patch_size=patch, num_channels=channels)
    assert_equal(model, tmp_path, "image-embedding", size, channels)


@pytest.mark.parametrize("size", [(28, 28), (56, 56), (42, 70), (98, 84)])
@pytest.mark.parametrize("name", ["Dinov2Model", "Dinov2WithRegistersModel"])
def test_positions_for_another_size(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """DINOv2 is trained at 518 and used at 224: transformers makes new positions at every run."""
    model = make_model(name, image_size=70, patch_size=14)
    assert_equal(model, tmp_path, "image-embedding", size)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (64, 48)])
def test_beit_at_another_size(size: tuple[int, int], tmp_path: Path) -> None:
    model = make_model(
        "BeitModel", use_relative_position_bias=True, use_absolute_position_embeddings=True, image_size=48
    )
    assert_equal(model, tmp_path, "image-embedding", size)


def test_beit_on_images_that_are_not_square(tmp_path: Path) -> None:
    model = make_model("BeitModel", use_relative_position_bias=True, image_size=[32, 56])
    assert_equal(model, tmp_path, "image-embedding", (32, 56))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_checkpoints(kind: str, tmp_path: Path) -> None:
    model = make_model("ViTForImageClassification", num_labels=301).to(getattr(torch, kind))
    assert_equal(model, tmp_path, "image-classification")


@pytest.mark.parametrize(
    ("name", "changes"),
    [("ViTModel", {}), ("BeitModel", {}), ("Dinov2Model", {"use_swiglu_ffn": True}), ("CLIPVisionModel", {})],
)
def test_int8_is_close(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model(name, hidden_size=96, num_attention_heads=4, intermediate_size=192, **changes)
    model.save_pretrained(tmp_path)
    values = pixels(3, 32, 32)
    for expected, result in zip(
        expected_of(model, "image-embedding", values), run(tmp_path, "image-embedding", values, "int8"), strict=True
    ):
        one, other = expected["last_hidden_state"].reshape(-1), result["last_hidden_state"].reshape(-1)
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.99
        assert np.abs(one - other).max() > 0


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ViTForImageClassification", 1),
        ("DeiTForImageClassificationWithTeacher", 2),
        ("BeitForImageClassification", 17),
    ],
)
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_classifier_computes_what_it_reads(name: str, read: int, quantize: str, tmp_path: Path) -> None:
    """Behind the last attention only the first tokens are left, unless the head reads all 16 patches, too."""
    model = make_model(name, hidden_size=96, num_attention_heads=4, intermediate_size=192, num_labels=3)
    model.save_pretrained(tmp_path)
    converted = convert_image_checkpoint(tmp_path, head="image-classification", image=(32, 32), quantize=quantize)
    graph = onnx.load(converted.graph)
    activated = [node.output[0] for node in graph.graph.node if node.op_type == "Gelu"]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in activated)
    onnx.save(graph, shown := converted.graph.with_name("shown.onnx"))
    values = pixels(3, 32, 32)
    session = onnxruntime.InferenceSession(shown, providers=["CPUExecutionProvider"])
    logits, *rows = session.run(["logits", *activated], {"pixel_values": values})
    assert [len(array) for array in rows] == [3 * (17 + (read == 2)), 3 * read]
    expected = np.stack([said["logits"] for said in expected_of(model, "image-classification", values)])
    assert np.abs(logits - expected).max() <= (TOLERANCE if quantize == "none" else 0.1 * np.abs(expected).max())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
def test_prefixes(prefix: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make_model("ViTForImageClassification", num_labels=4)
    model.save_pretrained(tmp_path)
    expected = expected_of(model, "image-classification", pixels(1, 32, 32))
    weights = load_file(tmp_path / "model.safetensors")
    save_file({prefix + name: weight for name, weight in weights.items()}, tmp_path / "model.safetensors")
    result = run(tmp_path, "image-classification", pixels(1, 32, 32))
    assert np.abs(expected[0]["logits"] - result[0]["logits"]).max() <= TOLERANCE


def test_without_a_pooler_the_first_token_stands_for_the_image(tmp_path: Path) -> None:
    model = transformers.ViTModel(transformers.ViTConfig(**SIZES), add_pooling_layer=False).eval()
    assert_equal(model, tmp_path, "image-embedding")


def test_a_size_without_positions_is_refused(tmp_path: Path) -> None:
    make_model("ViTModel").save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match=r"makes images of 48 x 32, .* are for 32 x 32"):
        convert_image_checkpoint(tmp_path, head="image-embedding", image=(48, 32))


def test_no_room_for_a_patch(tmp_path: Path) -> None:
    make_model("Dinov2Model").save_pretrained(tmp_path)
    with pytest.raises(InvalidConfiguration, match="no room for a patch of 8 x 8"):
        convert_image_checkpoint(tmp_path, head="image-embedding", image=(7, 32))


def test_a_classifier_that_the_checkpoint_lacks(tmp_path: Path) -> None:
    make_model("ViTModel").save_pretrained(tmp_path)
    with pytest.raises(LoadFailed, match=r"classifier\.weight is missing.*image-feature-extraction"):
        convert_image_checkpoint(tmp_path, head="image-classification")


def test_a_vision_tower_without_a_vector(tmp_path: Path) -> None:
    make_model("SiglipVisionModel", vision_use_head=False).save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match="vision_use_head"):
        convert_image_checkpoint(tmp_path, head="image-embedding")
