"""Sentence embeddings equal those of sentence-transformers: modules in any order, prompts, activations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.encoder.sentence import ACTIVATIONS
from naiad.convert.opening import open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens
from naiad.core.message import InferRequest
from naiad.core.tensor import bytes_tensor
from naiad.tasks.choice import build_task, infer_task

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
library = pytest.importorskip(
    "sentence_transformers", reason="sentence-transformers is not installed (make test-torch)"
)

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

HIDDEN = 30
LENGTHS = (7, 3, 31, 2, 13)


def write_body(folder: Path, kind: str = "BertModel", labels: int = 2, **options: Any) -> Any:
    """A random BERT with a vocabulary of a few words, as a module of sentence-transformers."""
    from sentence_transformers.base.modules import Transformer

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(85))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 64}')
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=90,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=66,
        num_labels=labels,
    )
    getattr(transformers, kind)(config).save_pretrained(folder)
    return Transformer(str(folder), **options)


def dense(inputs: int, outputs: int, activation: str = "Tanh", **options: Any) -> Any:
    from sentence_transformers.base.modules import Dense

    return Dense(inputs, outputs, activation_function=getattr(torch.nn, activation)(), **options)


def pooling(*modes: str, width: int = HIDDEN, include_prompt: bool = True) -> Any:
    from sentence_transformers.sentence_transformer.modules import Pooling

    return Pooling(width, modes, include_prompt=include_prompt)


def layer_norm(width: int) -> Any:
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    module = LayerNorm(width)
    torch.nn.init.normal_(module.norm.weight)
    torch.nn.init.normal_(module.norm.bias)
    return module


def normalize(**options: Any) -> Any:
    from sentence_transformers.base.modules import Normalize

    return Normalize(**options)


TOKENS = {"module_input_name": "token_embeddings"}

CHAINS: dict[str, Callable[[], list[Any]]] = {
    "each mode": lambda: [pooling("lasttoken", "mean", "cls", "weightedmean", "max", "mean_sqrt_len_tokens")],
    "dense twice": lambda: [pooling("mean"), dense(HIDDEN, 17, bias=False), dense(17, 5, "Identity"), normalize()],
    "dense after normalize": lambda: [pooling("cls"), normalize(), dense(HIDDEN, 9, "ReLU")],
    "layer norm": lambda: [pooling("cls", "mean"), layer_norm(2 * HIDDEN), dense(2 * HIDDEN, 8), normalize()],
    "dense by token": lambda: [dense(HIDDEN, 11, **TOKENS), pooling("max", "mean", width=11)],
    "normal tokens": lambda: [normalize(**TOKENS), pooling("mean")],
    "residual": lambda: [
        pooling("mean"),
        dense(HIDDEN, HIDDEN, use_residual=True),
        dense(HIDDEN, 7, use_residual=True),
    ],
    "prompt left out": lambda: [
        pooling("max", "mean", "cls", "lasttoken", "weightedmean", "mean_sqrt_len_tokens", include_prompt=False)
    ],
}


def assert_equal(modules: list[Any], tmp_path: Path, prompt: int = 0) -> None:
    """The folder that the library saves gives, packed, what the library gives for each text alone."""
    model = library.SentenceTransformer(modules=[write_body(tmp_path / "body"), *modules], device="cpu").eval()
    model.save_pretrained(str(tmp_path / "saved"))
    converted = convert_checkpoint(tmp_path / "saved")
    encoder = open_encoder(converted.graph, converted.spec)
    random = np.random.default_rng(7)
    items = [
        TextTokens(random.integers(5, 90, length), ("embedding",), prompt_tokens=min(prompt, length - 1))
        for length in LENGTHS
    ]
    for item, result in zip(items, encoder.execute(Batch(items)), strict=True):
        assert isinstance(result, dict)
        ids = torch.tensor(item.input_ids)[None]
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        if prompt:
            features["prompt_length"] = item.prompt_tokens
        with torch.no_grad():
            expected = model(features)["sentence_embedding"][0].numpy()
        assert expected.shape == result["embedding"].shape
        assert np.abs(expected - result["embedding"]).max() <= 1e-5


@pytest.mark.parametrize("chain", CHAINS)
def test_modules_in_their_order(chain: str, tmp_path: Path) -> None:
    assert_equal(CHAINS[chain](), tmp_path, prompt=4 if chain == "prompt left out" else 0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation(activation: str, tmp_path: Path) -> None:
    assert_equal([pooling("mean"), dense(HIDDEN, 6, activation)], tmp_path)


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_sparse_encoders(strategy: str, activation: str, tmp_path: Path) -> None:
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    body = write_body(tmp_path / "body", "BertForMaskedLM", transformer_task="fill-mask")
    model = library.SparseEncoder(modules=[body, SpladePooling(strategy, activation)], device="cpu").eval()
    torch.nn.init.normal_(model[0].auto_model.cls.predictions.bias)
    model.save_pretrained(str(tmp_path / "saved"))
    converted = convert_checkpoint(tmp_path / "saved", head="sparse-embedding")
    encoder = open_encoder(converted.graph, converted.spec, threads=2)
    random = np.random.default_rng(7)
    items = [TextTokens(random.integers(5, 90, length), ("embedding",)) for length in LENGTHS]
    for item, result in zip(items, encoder.execute(Batch(items)), strict=True):
        assert isinstance(result, dict)
        ids = torch.tensor(item.input_ids)[None]
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        with torch.no_grad():
            expected = model(features)["sentence_embedding"][0].numpy()
        assert 0 < np.count_nonzero(expected) < len(expected) or strategy == "sum"
        assert np.abs(expected - result["embedding"]).max() <= 1e-5


EXPANSIONS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "unseen": {"strategy": "fixed", "attend": False, "length": 9},
    "seen": {"strategy": "fixed", "attend": True, "length": 9},
    "at least": {"strategy": "min", "attend": False, "length": 6},
}


@pytest.mark.parametrize("expansion", EXPANSIONS)
def test_late_interaction(expansion: str, tmp_path: Path) -> None:
    """Texts all the way, because what is expanded and left out is half of it."""
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    body = write_body(tmp_path / "body", query_expansion=EXPANSIONS[expansion], document_length=8)
    modules = [body, dense(HIDDEN, 11, "Identity", **TOKENS), MultiVectorMask([".", "w3"]), normalize(**TOKENS)]
    prompts = {"query": "w7 ", "document": "w8 w9 "}
    library.MultiVectorEncoder(modules=modules, prompts=prompts).save_pretrained(str(tmp_path / "saved"))
    model = library.MultiVectorEncoder(str(tmp_path / "saved"), device="cpu")
    queries, documents = ["w1 w2 w3", "", "w4 " * 20], ["w3 w4 w5", "w6 w3 w1 w2 w3 w4 w5 w6 w7", "w3"]
    converted = convert_checkpoint(tmp_path / "saved", head="late-interaction")
    encoder = open_encoder(converted.graph, converted.spec)

    def run(name: str, parameters: dict[str, Any], **inputs: list[str]) -> dict[str, Any]:
        task = build_task(name, tmp_path / "saved", converted.spec)
        tensors = {key: bytes_tensor(key, [text.encode() for text in texts]) for key, texts in inputs.items()}
        request = InferRequest("m", inputs=tensors, parameters=parameters)
        preparation = task.prepare(request)
        results = [result for result in encoder.execute(Batch(preparation.texts)) if isinstance(result, dict)]
        return {tensor.name: tensor.data for tensor in task.finish(request, preparation, results).outputs}

    wanted = {"query": model.encode_query(queries), "document": model.encode_document(documents)}
    for kind, texts in (("query", queries), ("document", documents)):
        found = run("late-interaction", {"input_type": kind}, text=texts)
        assert found["counts"].tolist() == [len(vectors) for vectors in wanted[kind]]
        assert np.abs(torch.cat(wanted[kind]).numpy() - found["embedding"]).max() <= 1e-5
    scores = model.similarity(wanted["query"][:1], wanted["document"])[0].numpy()
    found = run("text-ranking", {}, query=queries[:1], documents=documents)
    assert np.abs(scores - found["score"]).max() <= 1e-4


@pytest.mark.parametrize(("labels", "activation"), [(1, None), (1, "Identity"), (1, "Tanh"), (3, None), (3, "Sigmoid")])
def test_cross_encoders(labels: int, activation: str | None, tmp_path: Path) -> None:
    write_body(tmp_path / "body", "BertForSequenceClassification", labels, transformer_task="sequence-classification")
    function = getattr(torch.nn, activation)() if activation else None
    library.CrossEncoder(str(tmp_path / "body"), activation_fn=function).save_pretrained(str(tmp_path / "saved"))
    model = library.CrossEncoder(str(tmp_path / "saved"), device="cpu")
    name = infer_task(tmp_path / "saved")
    assert name == ("text-ranking" if labels == 1 else "text-classification")
    converted = convert_checkpoint(tmp_path / "saved", head="sequence-classification")
    encoder = open_encoder(converted.graph, converted.spec)
    task = build_task(name, tmp_path / "saved", converted.spec)
    pairs = [("w1 w2", "w3"), ("w4", "w5 w6 w7 w8"), ("w9 w10", "w11 w12")]
    first, second = ([pair[side].encode() for pair in pairs] for side in (0, 1))
    names = ("query", "documents") if labels == 1 else ("text", "text_pair")
    tensors = {names[0]: bytes_tensor(names[0], first), names[1]: bytes_tensor(names[1], second)}
    request = InferRequest("m", inputs=tensors, parameters={} if labels == 1 else {"order": "class"})
    preparation = task.prepare(request)
    results = [result for result in encoder.execute(Batch(preparation.texts)) if isinstance(result, dict)]
    found = {tensor.name: tensor.data for tensor in task.finish(request, preparation, results).outputs}
    expected = model.predict(pairs)
    assert np.abs(expected - found["score" if labels == 1 else "scores"]).max() <= 1e-5
