"""NomicBERT, GTE and Jina embeddings v3 compute what transformers does, in its words and in those of their own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed
from safetensors.numpy import load_file, save_file

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidConfiguration, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "intermediate_size": 44,
    "max_position_embeddings": 96,
    "pad_token_id": 1,
    "num_labels": 3,
}

FAMILIES = {"nomic_bert": "NomicBert", "gte": "Gte", "jina_embeddings_v3": "JinaEmbeddingsV3"}

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}

CASES = [
    (family, head)
    for family in FAMILIES
    for head in HEADS
    if head != "question-answering" or family == "jina_embeddings_v3"
]

LENGTHS = (7, 1, 31, 2, 64, 13, 90)

GTE_NAMES = {
    "post_attention_layernorm": "attn_ln",
    "post_mlp_layernorm": "mlp_ln",
    "self_attn": "attention",
    "lm_head.layer_norm": "lm_head.norm",
    "gte.": "new.",
    "layers.": "encoder.layer.",
}

FLASH_NAMES = {
    "embeddings.LayerNorm": "emb_ln",
    "layers.": "encoder.layers.",
    "self_attn": "attn",
    "o_proj": "out_proj",
    "mlp.up_proj": "mlp.fc11",
    "mlp.gate_proj": "mlp.fc12",
    "mlp.down_proj": "mlp.fc2",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
    "nomic_bert.": "bert.",
}


def make(family: str, head: str, **changes: Any) -> Any:
    name = FAMILIES[family]
    labels = {"num_labels": 2} if head == "question-answering" else {}
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **labels, **changes})
    return make_model(getattr(transformers, name + HEADS[head]), config)


def save(model: Any, folder: Path, **config: Any) -> None:
    """As a checkpoint in transformers' own words, whatever the Hub's are; and with these changes to config.json."""
    model.config.save_pretrained(folder)
    state = {name: tensor.clone().contiguous().numpy() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**content, "architectures": [type(model).__name__], **config}, default=str)
    )


def respell(folder: Path, names: dict[str, str], packed: dict[str, tuple[str, ...]], config: dict[str, Any]) -> None:
    """The same checkpoint in other words: parts of names exchanged, some matrices joined, another config.json."""
    weights = {}
    for name, array in load_file(folder / "model.safetensors").items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901 — one exchange after the other
        weights[name] = array
    for whole, parts in packed.items():
        for name in [name for name in weights if f".{parts[0]}." in name]:
            arrays = [weights.pop(name.replace(parts[0], part)) for part in parts]
            weights[name.replace(parts[0], whole)] = np.concatenate(arrays)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))


def gte_config(**changes: Any) -> dict[str, Any]:
    return {
        **SIZES,
        "model_type": "new",
        "architectures": ["NewModel"],
        "layer_norm_type": "layer_norm",
        "logn_attention_scale": False,
        "pack_qkv": True,
        "position_embedding_type": "rope",
        "rope_theta": 200.0,
        "type_vocab_size": 1,
        **changes,
    }


def flash_config(**changes: Any) -> dict[str, Any]:
    return {
        "model_type": "nomic_bert",
        "architectures": ["NomicBertModel"],
        "activation_function": "swiglu",
        "layer_norm_epsilon": 1e-12,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "n_embd": 36,
        "n_head": 6,
        "n_inner": 250,
        "n_layer": 3,
        "n_positions": 96,
        "pad_vocab_size_multiple": 10,
        "qkv_proj_bias": False,
        "rotary_emb_base": 200.0,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 2,
        "vocab_size": 87,
        **changes,
    }


@pytest.mark.parametrize(("family", "head"), CASES)
def test_every_head(family: str, head: str, tmp_path: Path) -> None:
    model = make(family, head)
    save(model, tmp_path)
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90), types=family == "nomic_bert")


@pytest.mark.parametrize("family", FAMILIES)
def test_language_heads_of_bodies_with_another_activation(family: str, tmp_path: Path) -> None:
    model = make(family, "masked-lm", hidden_act="relu")
    save(model, tmp_path)
    assert_equal(model, tmp_path, "masked-lm", make_ids(LENGTHS, 90))


@pytest.mark.parametrize("family", FAMILIES)
def test_as_transformers_saves_it(family: str, tmp_path: Path) -> None:
    """It may write the words of the Hub."""
    model = make(family, "embedding")
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gte", {"type_vocab_size": 0}),
        ("gte", {"rope_parameters": {"rope_type": "linear", "rope_theta": 50.0, "factor": 2.0}}),
        ("nomic_bert", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 50.0, "factor": 2.0}}),
        ("nomic_bert", {"hidden_act": "gelu_new", "type_vocab_size": 1}),
        ("jina_embeddings_v3", {"hidden_size": 30, "num_attention_heads": 3}),
    ],
)
def test_variants(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model = make(family, "embedding", **changes)
    save(model, tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize("head", ["embedding", "sequence-classification", "token-classification", "masked-lm"])
@pytest.mark.parametrize("packed", [True, False])
def test_gte_in_its_own_words(head: str, packed: bool, tmp_path: Path) -> None:
    model = make("gte", head, rope_parameters={"rope_type": "default", "rope_theta": 200.0})
    save(model, tmp_path)
    joined: dict[str, tuple[str, ...]] = {"mlp.up_gate_proj": ("mlp.up_proj", "mlp.gate_proj")}
    if packed:
        joined["attention.qkv_proj"] = tuple(f"attention.{name}_proj" for name in "qkv")
    labels = {"id2label": {"0": "a", "1": "b", "2": "c"}}
    respell(tmp_path, GTE_NAMES, joined, gte_config(architectures=[f"New{HEADS[head]}"], **labels))
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90))


def test_gte_scales_for_all_lengths(tmp_path: Path) -> None:
    """`ntk` of GTE's code: the base times the factor, and the angles divided by a root of it."""
    model = make("gte", "embedding", rope_parameters={"rope_type": "default", "rope_theta": 200.0})
    save(model, tmp_path)
    speeds = 1 / (200.0 * 8) ** (torch.arange(0, 6, 2).float() / 6) / 8 ** (2 / 6)
    model.rotary_emb.inv_freq.copy_(speeds)
    respell(tmp_path, {}, {}, gte_config(model_type="gte", rope_scaling={"type": "ntk", "factor": 8.0}))
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize("head", ["embedding", "sequence-classification", "masked-lm"])
def test_nomic_in_its_own_words(head: str, tmp_path: Path) -> None:
    """Widths are rounded up, as its code does."""
    sizes = {"intermediate_size": 256, "rope_parameters": {"rope_type": "default", "rope_theta": 200.0}}
    model = make("nomic_bert", head, **sizes)
    if head == "masked-lm":
        with torch.no_grad():
            for bias in (model.cls.predictions.transform.dense.bias, model.cls.predictions.decoder.bias):
                bias.zero_()
    save(model, tmp_path)
    joined = {"attn.Wqkv": tuple(f"attn.{name}_proj" for name in "qkv")}
    respell(tmp_path, FLASH_NAMES, joined, flash_config(architectures=[f"NomicBert{HEADS[head]}"]))
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 87), types=True)


def test_nomic_stretches_beyond_its_trained_length(tmp_path: Path) -> None:
    """Each text by its own length; transformers' `dynamic` does it by the longest of the batch."""
    rope = {"rope_type": "dynamic", "rope_theta": 200.0, "factor": 2.0}
    model = make("nomic_bert", "embedding", intermediate_size=256, max_position_embeddings=40, rope_parameters=rope)
    save(model, tmp_path)
    joined = {"attn.Wqkv": tuple(f"attn.{name}_proj" for name in "qkv")}
    respell(tmp_path, FLASH_NAMES, joined, flash_config(rotary_scaling_factor=2.0, max_trained_positions=40))
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 87))


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("fraction", [1.0, 2 / 3])
def test_pairs_and_fractions(interleaved: bool, fraction: float, tmp_path: Path) -> None:
    """Turned by hand in front of transformers' attention: what its own rotation would do is switched off."""
    model = make("nomic_bert", "embedding", intermediate_size=256)
    save(model, tmp_path)
    joined = {"attn.Wqkv": tuple(f"attn.{name}_proj" for name in "qkv")}
    changes = {"rotary_emb_interleaved": interleaved, "rotary_emb_fraction": fraction}
    respell(tmp_path, FLASH_NAMES, joined, flash_config(**changes))
    model.rotary_emb.inv_freq.zero_()
    turned = int(6 * fraction)

    def turn(_module: Any, _inputs: Any, output: Any) -> Any:
        heads = output.view(*output.shape[:2], 6, 6)
        rows = torch.arange(output.shape[1]).float()[:, None]
        angle = (rows / 200.0 ** (torch.arange(0, turned, 2).float() / turned))[None, :, None]
        cut = (
            (slice(0, turned, 2), slice(1, turned, 2))
            if interleaved
            else (slice(0, turned // 2), slice(turned // 2, turned))
        )
        one, other, result = heads[..., cut[0]], heads[..., cut[1]], heads.clone()
        result[..., cut[0]] = one * angle.cos() - other * angle.sin()
        result[..., cut[1]] = other * angle.cos() + one * angle.sin()
        return result.reshape(output.shape)

    for layer in model.layers:
        layer.self_attn.q_proj.register_forward_hook(turn)
        layer.self_attn.k_proj.register_forward_hook(turn)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 87))


@pytest.mark.parametrize("family", FAMILIES)
def test_int8_does_not_depend_on_company(family: str, tmp_path: Path) -> None:
    save(make(family, "embedding"), tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, together = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for number, text in enumerate(ids):
        _, (alone,) = run_packed(tmp_path, "embedding", [text], quantize="int8")
        for name, array in alone.items():
            assert np.abs(array - together[number][name]).max() <= 1e-6 * max(1.0, np.abs(array).max())
        one, other = exact[number]["embedding"], together[number]["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        (flash_config(num_experts=8), Unsupported, "num_experts=8"),
        (flash_config(prenorm=True), Unsupported, "prenorm=True"),
        (flash_config(rotary_emb_fraction=0.5), InvalidConfiguration, "a head has 6, 3 of them turn"),
        (flash_config(rotary_emb_fraction=0.0), InvalidConfiguration, "partial_rotary_factor is 0"),
        (flash_config(activation_function="glu"), Unsupported, "activation_function='glu'"),
        (gte_config(logn_attention_scale=True), Unsupported, "logn_attention_scale"),
        (gte_config(layer_norm_type="rms_norm"), Unsupported, "layer_norm_type"),
        (gte_config(position_embedding_type="absolute"), Unsupported, "position_embedding_type"),
        (gte_config(rope_scaling={"type": "longrope"}), Unsupported, "kind 'longrope'"),
    ],
)
def test_refused(config: dict[str, Any], error: type[Exception], words: str, tmp_path: Path) -> None:
    model = make("gte", "embedding")
    save(model, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=words):
        convert_checkpoint(tmp_path)
