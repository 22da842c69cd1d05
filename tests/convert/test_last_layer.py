"""Behind the attention of its last layer a graph computes only the tokens that its head reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from oracle import MARKS, TOLERANCE, answer_of, assert_equal, make_ids, make_model, run_packed
from small_bert import (
    CONFIG,
    HIDDEN,
    VOCABULARY,
    hidden_states,
    random_weights,
    run,
    texts,
    write_checkpoint,
    write_modules,
)

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.encoding.pack import Pack

LABELS = 3

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Albert": {"embedding_size": 12},
    "DebertaV2": {"relative_attention": True, "position_buckets": 16, "pos_att_type": "p2c|c2p"},
    "ModernBert": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
    "MobileBert": {"intra_bottleneck_size": 20, "embedding_size": 12},
    "RoFormer": {"embedding_size": 40},
    "Bart": {"decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "d_model": 40},
}
"""A family for each body that puts its layers together itself."""


def classifier(folder: Path) -> dict[str, Any]:
    random = np.random.default_rng(3)
    weights = random_weights()
    head = {
        f"{name}.{part}": random.standard_normal(shape).astype(np.float32)
        for name, outputs in (("bert.pooler.dense", HIDDEN), ("classifier", LABELS))
        for part, shape in (("weight", (outputs, HIDDEN)), ("bias", (outputs,)))
    }
    config = {**CONFIG, "architectures": ["BertForSequenceClassification"], "num_labels": LABELS}
    write_checkpoint(folder, {**{f"bert.{name}": array for name, array in weights.items()}, **head}, config)
    return {**weights, **head}


def rows_of_products(folder: Path, lengths: tuple[int, ...], asked: str = "logits") -> list[int]:
    """How many rows each matrix product of weights has, in the graph's order, for texts that ask for one output."""
    converted = convert_checkpoint(folder)
    model = onnx.load(converted.graph)
    products = [node.output[0] for node in model.graph.node if node.op_type == "Gemm"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in products)
    shown = converted.graph.with_name("shown.onnx")
    onnx.save(model, shown)
    session = onnxruntime.InferenceSession(shown, providers=["CPUExecutionProvider"])
    names = {given.name for given in session.get_inputs()}
    feeds = Pack(texts(*lengths, outputs=(asked,)), converted.spec, names).feeds()
    return [len(array) for array in session.run(products, feeds)]


def test_a_classifier_computes_its_first_tokens_only(tmp_path: Path) -> None:
    weights = classifier(tmp_path)
    rows = rows_of_products(tmp_path, (5, 5, 5))
    first_layer, last_layer, head = [15] * 6, [15] * 3 + [3] * 3, [3, 3]
    assert rows == [*first_layer, *last_layer, *head]
    items, converted = texts(5, 1, 9, 40, outputs=("logits",)), convert_checkpoint(tmp_path)
    encoder = open_encoder(converted.graph, converted.spec)
    for item, result in zip(items, run(encoder, items), strict=True):
        first = hidden_states(weights, item)[0]
        pooled = np.tanh(first @ weights["bert.pooler.dense.weight"].T + weights["bert.pooler.dense.bias"])
        logits = pooled @ weights["classifier.weight"].T + weights["classifier.bias"]
        assert np.abs(result["logits"] - logits).max() <= TOLERANCE


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_an_embedding_of_the_first_token(quantize: str, tmp_path: Path) -> None:
    """Whoever asks for all states gets them, and the company of one who does changes nothing for the others."""
    weights = random_weights()
    write_modules(write_checkpoint(tmp_path, weights), ("Pooling", {"pooling_mode_cls_token": True}))
    converted = convert_checkpoint(tmp_path, quantize=quantize)
    encoder, tolerance = open_encoder(converted.graph, converted.spec), TOLERANCE if quantize == "none" else 0.2
    items = texts(5, 1, 9, 40)
    for item in items[:3]:
        item.outputs = ("embedding",)
    together, company = run(encoder, items), run(encoder, items[:3])
    for number, item in enumerate(items):
        expected = hidden_states(weights, item)
        assert np.abs(together[number]["embedding"] - expected[0]).max() <= tolerance
        if number < 3:
            assert together[number].keys() == {"embedding"}
            assert np.abs(company[number]["embedding"] - together[number]["embedding"]).max() <= TOLERANCE
        else:
            assert np.abs(together[number]["last_hidden_state"] - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("modules", "rows"),
    [
        ([("Pooling", {"pooling_mode_cls_token": True}), ("Normalize", {})], 3),
        ([("Pooling", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True})], 15),
        ([("Pooling", {"pooling_mode_cls_token": True, "include_prompt": False})], 15),
        ([("Pooling", {"pooling_mode_mean_tokens": True})], 15),
    ],
)
def test_what_an_embedding_computes(modules: list[tuple[str, dict[str, Any]]], rows: int, tmp_path: Path) -> None:
    write_modules(write_checkpoint(tmp_path, random_weights()), *modules)
    assert rows_of_products(tmp_path, (5, 5, 5), "embedding") == [15] * 9 + [rows] * 3
    assert rows_of_products(tmp_path, (5, 5, 5), "last_hidden_state") == [15] * 12


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_text_without_rows(quantize: str, tmp_path: Path) -> None:
    """Texts that ask for no token's logits take part: an answer of no rows."""
    random = np.random.default_rng(4)
    weights = {f"bert.{name}": array for name, array in random_weights().items()}
    for name, shape in (
        ("transform.dense.weight", (HIDDEN, HIDDEN)),
        ("transform.dense.bias", (HIDDEN,)),
        ("transform.LayerNorm.weight", (HIDDEN,)),
        ("transform.LayerNorm.bias", (HIDDEN,)),
        ("bias", (VOCABULARY,)),
    ):
        weights[f"cls.predictions.{name}"] = random.standard_normal(shape).astype(np.float32)
    write_checkpoint(tmp_path, weights, {**CONFIG, "architectures": ["BertForMaskedLM"]})
    asking, silent = texts(7, 12, outputs=("logits",))
    asking.rows, silent.rows = np.array([0, 6]), np.zeros(0, np.int64)
    converted = convert_checkpoint(tmp_path, quantize=quantize)
    encoder = open_encoder(converted.graph, converted.spec)
    (alone,) = run(encoder, [silent])
    together = run(encoder, [asking, silent])
    (answer,) = run(encoder, [asking])
    assert [len(result["logits"]) for result in (alone, *together)] == [0, 2, 0]
    assert np.isfinite(answer["logits"]).all()
    assert np.abs(together[0]["logits"] - answer["logits"]).max() <= TOLERANCE


def test_int8_observes_all_tokens(tmp_path: Path) -> None:
    """A classifier's channels are balanced as those of the same body are that gives all states."""
    classifier(tmp_path / "classifier")
    write_checkpoint(tmp_path / "body", random_weights())
    balances = []
    for name in ("classifier", "body"):
        graph = onnx.load(convert_checkpoint(tmp_path / name, quantize="int8").graph)
        found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
        balances.append({name: array for name, array in found.items() if name.endswith(".balance")})
    one, other = balances
    assert one.keys() == other.keys()
    assert len(one) == 4
    for name, array in one.items():
        assert np.allclose(array, other[name], rtol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.filterwarnings(*(mark.args[0] for mark in MARKS if mark.args))
def test_every_body_computes_what_is_read(family: str, tmp_path: Path) -> None:
    make_classifier(family, 2).save_pretrained(tmp_path)
    rows = rows_of_products(tmp_path, (5, 5, 5))
    assert rows[-5:] == [3] * 5, "attention's last product, the feed-forward, and the head's two"
    assert rows.count(15) > rows.count(3)


@pytest.mark.torch
@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.filterwarnings(*(mark.args[0] for mark in MARKS if mark.args))
def test_int8(family: str, tmp_path: Path) -> None:
    model = make_classifier(family, 2)
    model.save_pretrained(tmp_path)
    ids = make_ids((7, 1, 31, 2, 13), 90, last=2)
    items, together = run_packed(tmp_path, "sequence-classification", ids, quantize="int8")
    for text, item, result in zip(ids, items, together, strict=True):
        _, (alone,) = run_packed(tmp_path, "sequence-classification", [text], quantize="int8")
        exact = answer_of(model, "sequence-classification", item)["logits"]
        assert np.abs(result["logits"] - alone["logits"]).max() <= TOLERANCE
        assert np.abs(result["logits"] - exact).max() <= 0.1 * max(1, np.abs(exact).max())


@pytest.mark.torch
@pytest.mark.parametrize("family", [*CLASSIFIERS, "a convolution"])
@pytest.mark.filterwarnings(*(mark.args[0] for mark in MARKS if mark.args))
def test_a_body_of_one_layer(family: str, tmp_path: Path) -> None:
    """The first layer is the last one, with all that stands only behind the first."""
    convolution = {"conv_kernel_size": 3} if family == "a convolution" else {}
    model = make_classifier("DebertaV2" if convolution else family, 1, **convolution)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "sequence-classification", make_ids((7, 1, 31, 2, 13), 90, last=2))


def make_classifier(family: str, layers: int, **changes: Any) -> Any:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    sizes = {
        "vocab_size": 90,
        "hidden_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "num_labels": LABELS,
    }
    sizes.update(CLASSIFIERS[family])
    if family == "Bart":
        sizes = {name: size for name, size in sizes.items() if "hidden_size" not in name and "intermed" not in name}
        sizes["decoder_layers"] = layers
    config = getattr(transformers, f"{family}Config")(**{**sizes, **changes})
    return make_model(getattr(transformers, f"{family}ForSequenceClassification"), config, spread=0.1)
