"""Conversion without torch: against plain numpy, other spellings of checkpoints, heads, and errors by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_bert import (
    CONFIG,
    HIDDEN,
    Weights,
    hidden_states,
    random_weights,
    run,
    texts,
    write_checkpoint,
    write_modules,
)

from naiad.convert.checkpoint import builder_knows, convert_checkpoint, known_architectures
from naiad.convert.opening import open_encoder
from naiad.core.encoding.encoder import TextTokens
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported

TOLERANCE = 2e-5

RANDOM = np.random.default_rng(1)


def open_checkpoint(folder: Path, **options: Any) -> Any:
    converted = convert_checkpoint(folder, **options)
    return open_encoder(converted.graph, converted.spec)


def assert_same_states(folder: Path, weights: Weights) -> None:
    items = texts(5, 1, 33, 12)
    for item, result in zip(items, run(open_checkpoint(folder), items), strict=True):
        assert np.abs(hidden_states(weights, item) - result["last_hidden_state"]).max() <= TOLERANCE


def test_equals_plain_numpy(tmp_path: Path) -> None:
    weights = random_weights()
    assert_same_states(write_checkpoint(tmp_path, weights), weights)


@pytest.mark.parametrize("prefix", ["bert.", "", "model.encoder."])
def test_any_prefix_of_the_body(prefix: str, tmp_path: Path) -> None:
    weights = random_weights()
    assert_same_states(write_checkpoint(tmp_path, weights, prefix=prefix), weights)


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("module.bert.", "module."),
        ("_orig_mod.module.bert.", "_orig_mod.module."),
        ("model.bert.", "model."),
        ("module.model.bert.", "module.model."),
        ("model._orig_mod.bert.", "model."),
        ("bert._orig_mod.", ""),
        ("model.", "model."),
        ("model.", ""),
        ("encoder.", ""),
    ],
)
def test_heads_under_the_same_wrappers_as_the_body(body: str, head: str, tmp_path: Path) -> None:
    weights = random_weights()
    own = {
        "classifier.weight": RANDOM.standard_normal((3, HIDDEN)).astype(np.float32),
        "classifier.bias": RANDOM.standard_normal(3).astype(np.float32),
    }
    named = {**{body + name: array for name, array in weights.items()}, **{head + k: v for k, v in own.items()}}
    write_checkpoint(tmp_path, named, {**CONFIG, "architectures": ["BertForTokenClassification"]})
    items = texts(4, 9, outputs=("logits",))
    for item, result in zip(items, run(open_checkpoint(tmp_path), items), strict=True):
        wanted = hidden_states(weights, item) @ own["classifier.weight"].T + own["classifier.bias"]
        assert np.abs(wanted - result["logits"]).max() <= 2e-5


def test_a_head_by_another_name_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    other = {"fc.weight": np.zeros((3, HIDDEN), np.float32), "fc.bias": np.zeros(3, np.float32)}
    named = {**{"bert." + name: array for name, array in random_weights().items()}, **other}
    write_checkpoint(tmp_path, named, {**CONFIG, "architectures": ["BertForTokenClassification"]})
    with pytest.raises(LoadFailed, match=r"classifier\.weight is missing; .*outside the body it has fc\.bias, fc\.wei"):
        convert_checkpoint(tmp_path)


def test_a_weight_that_stands_there_twice(tmp_path: Path) -> None:
    weights = random_weights()
    write_checkpoint(tmp_path, {**weights, **{"module." + name: array for name, array in weights.items()}})
    with pytest.raises(LoadFailed, match=r"holds the weight .* twice, as .* and as "):
        convert_checkpoint(tmp_path)


def test_norms_named_gamma_and_beta(tmp_path: Path) -> None:
    weights = random_weights()
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in weights.items()
    }
    assert renamed.keys() != weights.keys()
    assert_same_states(write_checkpoint(tmp_path, renamed), weights)


def test_weights_that_nobody_needs(tmp_path: Path) -> None:
    weights = random_weights()
    more = {**weights, "embeddings.position_ids": np.arange(7)[None], "cls.seq_relationship.bias": np.zeros(2)}
    assert_same_states(write_checkpoint(tmp_path, more), weights)


def test_shards(tmp_path: Path) -> None:
    weights = random_weights()
    write_checkpoint(tmp_path, weights)
    (tmp_path / "model.safetensors").unlink()
    names = sorted(weights)
    index = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: weights[name] for name in part}, tmp_path / f"model-{number}.safetensors")
        index.update(dict.fromkeys(part, f"model-{number}.safetensors"))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert_same_states(tmp_path, weights)
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(LoadFailed, match=r"model-1\.safetensors.* is missing"):
        convert_checkpoint(tmp_path)


def test_half_precision(tmp_path: Path) -> None:
    halves = {name: array.astype(np.float16) for name, array in random_weights().items()}
    write_checkpoint(tmp_path, halves)
    assert_same_states(tmp_path, {name: array.astype(np.float32) for name, array in halves.items()})


def test_the_body_in_a_folder_of_its_own(tmp_path: Path) -> None:
    weights = random_weights()
    write_checkpoint(tmp_path / "0_Transformer", weights)
    write_modules(tmp_path, ("Pooling", {"pooling_mode_mean_tokens": True}), body="0_Transformer")
    assert_same_states(tmp_path, weights)


def test_token_logits(tmp_path: Path) -> None:
    weights = random_weights()
    head = RANDOM.standard_normal((5, HIDDEN)).astype(np.float32)
    bias = RANDOM.standard_normal(5).astype(np.float32)
    config = {**CONFIG, "architectures": ["BertForTokenClassification"]}
    write_checkpoint(tmp_path, {**weights, "classifier.weight": head, "classifier.bias": bias}, config)
    spec = convert_checkpoint(tmp_path).spec
    assert spec.head == "token-classification"
    assert [output.width for output in spec.outputs] == [5]
    encoder = open_checkpoint(tmp_path)
    items = texts(4, 9, outputs=("logits",))
    for item, result in zip(items, run(encoder, items), strict=True):
        expected = hidden_states(weights, item) @ head.T + bias
        assert np.abs(expected - result["logits"]).max() <= 1e-4


def test_rows_of_the_vocabulary(tmp_path: Path) -> None:
    """Masked-lm logits stand only at the rows that each text asks for, tied to the word embeddings."""
    weights = random_weights()
    words = weights["embeddings.word_embeddings.weight"]
    head = {
        "cls.predictions.transform.dense.weight": np.eye(HIDDEN, dtype=np.float32),
        "cls.predictions.transform.dense.bias": np.full(HIDDEN, 50, np.float32),
        "cls.predictions.transform.LayerNorm.weight": np.ones(HIDDEN, np.float32),
        "cls.predictions.transform.LayerNorm.bias": np.zeros(HIDDEN, np.float32),
        "cls.predictions.bias": RANDOM.standard_normal(len(words)).astype(np.float32),
    }
    config = {**CONFIG, "architectures": ["BertForMaskedLM"]}
    write_checkpoint(tmp_path, {**{f"bert.{name}": array for name, array in weights.items()}, **head}, config)
    items = texts(6, 3, 8, outputs=("logits",))
    items[0].rows = np.array([4, 1])
    items[2].rows = np.array([7])
    results = run(open_checkpoint(tmp_path), items)
    assert [(2, len(words)), (0, len(words)), (1, len(words))] == [result["logits"].shape for result in results]
    for item, result in zip(items, results, strict=True):
        states = hidden_states(weights, item)[item.rows if item.rows is not None else []]
        centred = states - states.mean(axis=-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + CONFIG["layer_norm_eps"])
        assert np.allclose(normed @ words.T + head["cls.predictions.bias"], result["logits"], atol=1e-4)


def test_a_head_may_be_set(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights(), {**CONFIG, "architectures": ["BertForMaskedLM"]})
    assert convert_checkpoint(tmp_path, head="embedding").spec.head == "embedding"


def test_what_the_builder_knows() -> None:
    assert builder_knows({"model_type": "mpnet"})
    assert not builder_knows({"model_type": "xlnet"})
    assert not builder_knows({})
    assert "camembert" in known_architectures()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"model_type": "xlnet"}, Unsupported, "'xlnet'.*known: bert, roberta.*naiad convert"),
        ({"model_type": None}, Unsupported, "None"),
        ({"position_embedding_type": "relative_key"}, Unsupported, "position_embedding_type='relative_key'"),
        ({"is_decoder": True}, Unsupported, "is_decoder"),
        ({"hidden_act": "mish"}, Unsupported, "hidden_act='mish'.*known: gelu"),
        ({"architectures": ["BertForMultipleChoice"]}, Unsupported, "BertForMultipleChoice"),
        ({"hidden_size": "24"}, InvalidConfiguration, "hidden_size is '24'"),
        ({"num_attention_heads": 5}, InvalidConfiguration, "24 is not a multiple of num_attention_heads 5"),
        ({"layer_norm_eps": -1}, InvalidConfiguration, "layer_norm_eps"),
        ({"hidden_size": 48}, LoadFailed, r"word_embeddings.weight has shape \(60, 24\), not \(60, 48\)"),
        ({"num_hidden_layers": 3}, LoadFailed, r"encoder\.layer\.2\..* is missing"),
        ({"architectures": ["BertForSequenceClassification"]}, LoadFailed, "classifier.weight is missing"),
    ],
)
def test_a_config_that_does_not_fit(change: dict[str, Any], error: type[Exception], words: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights(), {**CONFIG, **change})
    with pytest.raises(error, match=words):
        convert_checkpoint(tmp_path)
    assert list(tmp_path.glob(".naiad/*")) == []


@pytest.mark.parametrize("argument", [{"quantize": "int4"}, {"head": "summarization"}])
def test_a_wrong_argument(argument: dict[str, Any], tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    with pytest.raises(InvalidConfiguration, match="known: "):
        convert_checkpoint(tmp_path, **argument)


def test_labels_and_weights_disagree(tmp_path: Path) -> None:
    config = {**CONFIG, "architectures": ["BertForTokenClassification"], "id2label": {"0": "a"}}
    head = {"classifier.weight": np.zeros((2, HIDDEN), np.float32), "classifier.bias": np.zeros(2, np.float32)}
    write_checkpoint(tmp_path, {**random_weights(), **head}, config)
    with pytest.raises(LoadFailed, match="1 labels in id2label"):
        convert_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", b"{", r"config\.json is not valid JSON"),
        ("config.json", b"[]", r"config\.json holds a JSON list, an object is expected"),
        ("model.safetensors", b"no such format", "not a readable safetensors file"),
        ("model.safetensors", None, "no model.safetensors"),
        ("modules.json", b"7", "not a list of modules"),
    ],
)
def test_a_damaged_file(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadFailed, match=words):
        convert_checkpoint(tmp_path)


def test_a_truncated_weight_file(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path, random_weights()) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(LoadFailed, match="not a readable safetensors file"):
        convert_checkpoint(tmp_path)


def test_a_weight_of_integers(tmp_path: Path) -> None:
    weights = {**random_weights(), "embeddings.LayerNorm.bias": np.zeros(HIDDEN, np.int32)}
    with pytest.raises(LoadFailed, match=r"embeddings\.LayerNorm\.bias is I32"):
        convert_checkpoint(write_checkpoint(tmp_path, weights))


def test_not_an_encoder(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, {"decoder.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(LoadFailed, match=r"no weight ends with embeddings\.word_embeddings\.weight"):
        convert_checkpoint(tmp_path)


def test_spec(tmp_path: Path) -> None:
    spec = convert_checkpoint(write_checkpoint(tmp_path, random_weights())).spec
    assert (
        spec.architecture,
        spec.head,
        spec.max_tokens,
        spec.uses_type_ids,
        spec.position_offset,
        spec.layout,
    ) == ("bert", "embedding", 160, True, 0, "packed")
    assert {output.name: (output.granularity, output.width) for output in spec.outputs} == {
        "embedding": ("item", HIDDEN),
        "last_hidden_state": ("token", HIDDEN),
    }


def test_one_token(tmp_path: Path) -> None:
    encoder = open_checkpoint(write_checkpoint(tmp_path, random_weights()))
    (result,) = run(encoder, [TextTokens(np.array([3]), ("embedding", "last_hidden_state"))])
    assert np.array_equal(result["embedding"], result["last_hidden_state"][0])
