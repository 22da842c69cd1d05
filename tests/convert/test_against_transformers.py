"""Every architecture and head computes what transformers does on the same weights, packed in mixed lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderResult, TextTokens

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 66,
    "num_labels": 3,
}

DISTIL_SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 66,
    "num_labels": 3,
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", SIZES),
    "roberta": ("Roberta", {**SIZES, "pad_token_id": 1, "type_vocab_size": 1}),
    "xlm-roberta": ("XLMRoberta", {**SIZES, "pad_token_id": 1, "type_vocab_size": 1}),
    "camembert": ("Camembert", {**SIZES, "pad_token_id": 1, "type_vocab_size": 1}),
    "distilbert": ("DistilBert", DISTIL_SIZES),
    "mpnet": ("MPNet", {**SIZES, "pad_token_id": 1}),
    "electra": ("Electra", {**SIZES, "embedding_size": 20}),
    "albert": (
        "Albert",
        {**SIZES, "embedding_size": 20, "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2},
    ),
}

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}

LENGTHS = (7, 1, 31, 2, 64, 13)

TOLERANCE = 1e-4


def make_model(family: str, head: str, **changes: Any) -> Any:
    """A model whose every weight matters: random biases and norms too, and of a size that shows in the logits."""
    name, sizes = FAMILIES[family]
    sizes = {**sizes, **changes}
    if head == "question-answering":
        sizes["num_labels"] = 2
    config = getattr(transformers, f"{name}Config")(**sizes)
    torch.manual_seed(sum(map(ord, family + head)))
    model = getattr(transformers, name + HEADS[head])(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            scale = 0.2 if parameter.dim() > 1 else 0.3
            centre = 1.0 if "norm" in parameter_name.lower() and parameter_name.endswith("weight") else 0.0
            parameter.copy_(centre + scale * torch.randn_like(parameter))
    return model.eval()


def make_sequences(head: str, outputs: tuple[str, ...], *, types: bool) -> list[TextTokens]:
    random = np.random.default_rng(5)
    return [
        TextTokens(
            input_ids=random.integers(2, 90, length),
            outputs=outputs,
            type_ids=(np.arange(length) >= length // 2).astype(np.int64) if types else None,
            rows=np.array(sorted({0, length // 2, length - 1})) if head == "masked-lm" else None,
        )
        for length in LENGTHS
    ]


def expected_of(model: Any, head: str, item: TextTokens) -> EncoderResult:
    """What the model says of one text by itself."""
    inputs = {"input_ids": torch.tensor(item.input_ids)[None]}
    if item.type_ids is not None:
        inputs["token_type_ids"] = torch.tensor(item.type_ids)[None]
    with torch.no_grad():
        answer = model(**inputs)
    if head == "embedding":
        hidden = answer.last_hidden_state[0].numpy()
        return {"last_hidden_state": hidden, "embedding": hidden.mean(axis=0)}
    if head == "question-answering":
        return {"logits": torch.stack([answer.start_logits[0], answer.end_logits[0]], dim=-1).numpy()}
    logits = answer.logits[0].numpy()
    return {"logits": logits[item.rows] if head == "masked-lm" else logits}


def assert_equal(model: Any, folder: Path, head: str, *, types: bool) -> None:
    converted = convert_checkpoint(folder)
    assert converted.spec.head == head
    encoder = open_encoder(converted.graph, converted.spec)
    items = make_sequences(head, tuple(output.name for output in converted.spec.outputs), types=types)
    for item, result in zip(items, encoder.execute(Batch(items)), strict=True):
        assert isinstance(result, dict)
        expected = expected_of(model, head, item)
        assert expected.keys() == result.keys()
        for name, array in expected.items():
            assert array.shape == result[name].shape
            assert np.abs(array - result[name]).max() <= TOLERANCE, name


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers(family: str, head: str, tmp_path: Path) -> None:
    model = make_model(family, head)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, head, types=family in {"bert", "electra", "albert"})


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh", "relu", "silu"])
def test_other_activations(activation: str, tmp_path: Path) -> None:
    model = make_model("bert", "embedding", hidden_act=activation)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", types=True)


@pytest.mark.parametrize("family", ["electra", "albert"])
def test_embeddings_as_wide_as_the_body(family: str, tmp_path: Path) -> None:
    model = make_model(family, "embedding", embedding_size=32)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", types=True)


def test_a_cross_encoder_has_one_logit(tmp_path: Path) -> None:
    model = make_model("bert", "sequence-classification", num_labels=1)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "sequence-classification", types=True)


def test_a_decoder_of_its_own(tmp_path: Path) -> None:
    """Without tied weights, the vocabulary's matrix is not the word embeddings."""
    model = make_model("bert", "masked-lm", tie_word_embeddings=False)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "masked-lm", types=True)


def test_shards(tmp_path: Path) -> None:
    model = make_model("roberta", "token-classification")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert_equal(model, tmp_path, "token-classification", types=False)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_checkpoints(kind: str, tmp_path: Path) -> None:
    model = make_model("distilbert", "sequence-classification").to(getattr(torch, kind))
    model.save_pretrained(tmp_path)
    assert_equal(model.float(), tmp_path, "sequence-classification", types=False)


@pytest.mark.parametrize("family", ["roberta", "mpnet"])
def test_a_padding_token_in_the_text(family: str, tmp_path: Path) -> None:
    """It has the padding position, and no other token counts it; MPNet's distances count it all the same."""
    model = make_model(family, "embedding")
    model.save_pretrained(tmp_path)
    converted = convert_checkpoint(tmp_path)
    encoder = open_encoder(converted.graph, converted.spec)
    texts = [np.array([5, 1, 6, 7]), np.array([1, 8, 1, 1, 9])]
    items = [TextTokens(ids, ("last_hidden_state",)) for ids in texts]
    for item, result in zip(items, encoder.execute(Batch(items)), strict=True):
        assert isinstance(result, dict)
        expected = expected_of(model, "embedding", item)["last_hidden_state"]
        assert np.abs(expected - result["last_hidden_state"]).max() <= TOLERANCE
