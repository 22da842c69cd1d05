from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
CONFIG = {"id2label": {str(i): label for i, label in enumerate(LABELS)}}


@pytest.fixture
def task(make_folder: Any, make_spec: Any) -> Any:
    return build_task("token-classification", make_folder(CONFIG), make_spec("token-classification", 5, max_tokens=12))


def tags(*labels: str) -> dict[str, np.ndarray]:
    """Logits of tokens that carry these labels, between [CLS] and [SEP]."""
    numbers = [0, *(LABELS.index(label) for label in labels), 0]
    return {"logits": np.eye(5, dtype=np.float32)[numbers] * 9}


def entities(response: Any) -> list[Any]:
    return [json.loads(one) for one in response.outputs[0].data.tolist()]


def test_each_token_without_aggregation(task: Any, ask: Ask) -> None:
    request = ask(text=["My name is Wolfgang.", ""])
    preparation = task.prepare(request)
    (first, second) = entities(task.finish(request, preparation, [tags("O", "O", "O", "B-PER", "I-PER", "O"), tags()]))
    assert second == []
    assert [(one["entity"], one["index"], one["word"], one["start"], one["end"]) for one in first] == [
        ("B-PER", 4, "wolf", 11, 15),
        ("I-PER", 5, "##gang", 15, 19),
    ]
    assert first[0]["score"] == pytest.approx(0.9995, abs=1e-4)


def test_groups_with_aggregation(task: Any, ask: Ask) -> None:
    request = ask({"aggregation_strategy": "simple"}, text=["É Wolfgang new york"])
    preparation = task.prepare(request)
    response = task.finish(request, preparation, [tags("O", "B-PER", "I-PER", "B-LOC", "I-LOC")])
    assert [(one["entity_group"], one["word"], one["start"], one["end"]) for one in entities(response)[0]] == [
        ("PER", "wolfgang", 2, 10),
        ("LOC", "new york", 11, 19),
    ]
    assert "É" not in response.outputs[0].data[0].decode()


def test_ignored_labels_are_the_callers(task: Any, ask: Ask) -> None:
    request = ask({"ignore_labels": "B-PER,I-PER"}, text=["my wolfgang"])
    response = task.finish(request, task.prepare(request), [tags("O", "B-PER", "I-PER")])
    assert [one["entity"] for one in entities(response)[0]] == ["O"]


def test_long_texts_are_cut_or_read_in_pieces(task: Any, ask: Ask) -> None:
    text = "london is a city and paris is a city and berlin is a city"
    cut = task.prepare(ask(text=[text]))
    assert (len(cut.texts), cut.truncated) == (1, 1)
    request = ask({"stride": 3, "aggregation_strategy": "first"}, text=[text, "a"])
    pieces = task.prepare(request)
    assert ([s.tokens for s in pieces.texts], pieces.truncated) == ([12, 9, 3], 0)
    plain = {"london": "B-LOC", "paris": "B-LOC", "berlin": "B-LOC"}
    words = text.split()
    results = [tags(*(plain.get(word, "O") for word in part)) for part in (words[:10], words[7:], ["a"])]
    first, second = entities(task.finish(request, pieces, results))
    assert [one["word"] for one in first] == ["london", "paris", "berlin"]
    assert second == []
    with pytest.raises(InvalidRequest, match="'stride' needs an aggregation_strategy other than none"):
        task.prepare(ask({"stride": 3}, text=[text]))
    with pytest.raises(InvalidRequest, match="overlap of 10 tokens must be less than the 10"):
        task.prepare(ask({"stride": 10, "aggregation_strategy": "max"}, text=[text]))


TEXTS = [
    "My name is Wolfgang and I live in Berlin.",
    "Sarah's house in New York, England: wolfgangs!",
    "日本 sarah \x00 🙂 livings",
    "",
    "the capital of France",
]


@pytest.mark.torch
@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("seed", [0, 1])
def test_answers_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask, strategy: str, seed: int
) -> None:
    from transformers import AutoTokenizer, pipeline

    folder, model = bert_folder("token-classification", seed, id2label=dict(enumerate(LABELS)))
    theirs = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    task = build_task("token-classification", folder, make_spec("token-classification", 5))
    request = ask({"aggregation_strategy": strategy}, text=TEXTS)
    preparation = task.prepare(request)
    response = task.finish(request, preparation, run_encoder(model, preparation.texts))
    compare(entities(response), theirs(TEXTS, aggregation_strategy=strategy))


@pytest.mark.torch
@pytest.mark.parametrize("strategy", ["simple", "first"])
def test_pieces_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask, strategy: str
) -> None:
    from transformers import AutoTokenizer, pipeline

    folder, model = bert_folder("token-classification", id2label=dict(enumerate(LABELS)))
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=16)
    theirs = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy, stride=4)
    task = build_task("token-classification", folder, make_spec("token-classification", 5, max_tokens=16))
    texts = [TEXTS[0] * 4, TEXTS[1] + TEXTS[4], "a"]
    request = ask({"aggregation_strategy": strategy, "stride": 4}, text=texts)
    preparation = task.prepare(request)
    response = task.finish(request, preparation, run_encoder(model, preparation.texts))
    compare(entities(response), [theirs(text) for text in texts])


@pytest.mark.torch
@pytest.mark.parametrize("strategy", ["none", "simple", "average"])
def test_answers_of_byte_level_tokenizers_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask, strategy: str
) -> None:
    """These do not mark the tokens that continue a word, so spaces must tell."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoTokenizer, RobertaTokenizer, pipeline

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(TEXTS * 3, vocab_size=330, special_tokens=special, show_progress=False)
    document = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in document["merges"]]
    tokenizer = RobertaTokenizer(vocab=document["vocab"], merges=merges, model_max_length=64)
    folder, model = bert_folder("token-classification", tokenizer=tokenizer, id2label=dict(enumerate(LABELS)))
    theirs = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    task = build_task("token-classification", folder, make_spec("token-classification", 5))
    request = ask({"aggregation_strategy": strategy}, text=TEXTS)
    preparation = task.prepare(request)
    response = task.finish(request, preparation, run_encoder(model, preparation.texts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        compare(entities(response), theirs(TEXTS, aggregation_strategy=strategy))


def compare(found: list[Any], expected: list[Any]) -> None:
    assert sum(map(len, expected)) > 0
    for ours, theirs in zip(found, expected, strict=True):
        assert [list(one) for one in ours] == [list(one) for one in theirs]
        assert [{**one, "score": 0} for one in ours] == [{**one, "score": 0} for one in theirs]
        np.testing.assert_allclose([one["score"] for one in ours], [float(one["score"]) for one in theirs], rtol=1e-4)
