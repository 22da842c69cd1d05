from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks import build_task
from naiad.tasks.activation import default_function

Ask = Callable[..., InferRequest]
LABELS = {"0": "bad", "1": "good", "2": "naïve"}


def outputs(response: Any) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in response.outputs}


def answer(task: Any, request: InferRequest, rows: list[list[float]]) -> dict[str, Any]:
    preparation = task.prepare(request)
    return outputs(task.finish(request, preparation, [{"logits": np.array(row, np.float32)} for row in rows]))


@pytest.fixture
def task(make_folder: Any, make_spec: Any) -> Any:
    return build_task("text-classification", make_folder({"id2label": LABELS}), make_spec("sequence-classification", 3))


def test_labels_come_best_first(task: Any, ask: Ask) -> None:
    found = answer(task, ask(text=["the movie", "a city"]), [[0, 2, 1], [3, 0, 1]])
    assert found["label"].tolist() == [b"good", b"bad"]
    assert found["labels"].tolist() == [[b"good", "naïve".encode(), b"bad"], [b"bad", "naïve".encode(), b"good"]]
    np.testing.assert_allclose(found["scores"].sum(axis=1), [1, 1], rtol=1e-6)
    np.testing.assert_array_equal(found["score"], found["scores"][:, 0])


def test_top_k_and_function_are_the_callers(task: Any, ask: Ask) -> None:
    found = answer(task, ask({"top_k": 2, "function_to_apply": "none"}, text=["a"]), [[0, 2, 1]])
    assert found["scores"].tolist() == [[2, 1]]
    found = answer(task, ask({"function_to_apply": "sigmoid"}, text=["a"]), [[0, 2, 1]])
    assert found["scores"][0, 2] == 0.5
    with pytest.raises(InvalidRequest, match="'relu', one of default, softmax, sigmoid, tanh, none"):
        task.prepare(ask({"function_to_apply": "relu"}, text=["a"]))


def test_the_checkpoints_order(task: Any, ask: Ask) -> None:
    found = answer(task, ask({"order": "class", "function_to_apply": "none"}, text=["a"]), [[0, 2, 1]])
    assert (found["label"].tolist(), found["score"].tolist()) == ([b"good"], [2])
    assert (found["labels"].tolist(), found["scores"].tolist()) == ([[b"bad", b"good", "naïve".encode()]], [[0, 2, 1]])
    found = answer(task, ask({"order": "class", "top_k": 2, "function_to_apply": "none"}, text=["a"]), [[1, 0, 2]])
    assert found["labels"].tolist() == [[b"bad", "naïve".encode()]]


def test_only_what_is_asked_for_is_answered(task: Any, ask: Ask) -> None:
    assert list(answer(task, ask(text=["a"], outputs=["score"]), [[0, 2, 1]])) == ["score"]


@pytest.mark.parametrize(
    ("config", "width", "expected"),
    [
        ({"problem_type": "regression"}, 1, [2.0]),
        ({}, 1, [0.880797]),
        ({"problem_type": "multi_label_classification"}, 2, [0.880797, 0.5]),
        ({"problem_type": "single_label_classification"}, 2, [0.880797, 0.119203]),
        ({}, 2, [0.880797, 0.119203]),
    ],
)
def test_the_function_follows_from_the_config(
    make_folder: Any, make_spec: Any, ask: Ask, config: dict[str, Any], width: int, expected: list[float]
) -> None:
    task = build_task("text-classification", make_folder(config), make_spec("sequence-classification", width))
    found = answer(task, ask(text=["a"]), [[2.0, 0.0][:width]])
    np.testing.assert_allclose(found["scores"], [expected], rtol=1e-5)
    assert found["label"].tolist() == [b"LABEL_0"]


def test_pairs_are_one_sequence_with_type_ids(task: Any, ask: Ask) -> None:
    preparation = task.prepare(ask(text=["the movie"], text_pair=["a"]))
    assert preparation.texts[0].input_ids.tolist() == [2, 5, 38, 3, 6, 3]
    assert preparation.texts[0].type_ids.tolist() == [0, 0, 0, 0, 1, 1]
    with pytest.raises(InvalidRequest, match="'text' has 2 elements and 'text_pair' 1"):
        task.prepare(ask(text=["a", "b"], text_pair=["c"]))


def test_bad_labels_are_named(make_folder: Any, make_spec: Any) -> None:
    with pytest.raises(LoadFailed, match="id2label must map class numbers to names"):
        build_task(
            "text-classification", make_folder({"id2label": {"x": "y"}}), make_spec("sequence-classification", 1)
        )


@pytest.mark.torch
@pytest.mark.parametrize(
    ("problem", "count"),
    [
        (None, 4),
        (None, 1),
        ("single_label_classification", 4),
        ("multi_label_classification", 4),
        ("multi_label_classification", 1),
        ("regression", 4),
        ("regression", 1),
    ],
)
def test_answers_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]],
    run_encoder: Any,
    make_spec: Any,
    ask: Ask,
    problem: str | None,
    count: int,
) -> None:
    from transformers import AutoTokenizer, pipeline

    labels = dict(enumerate(("bad", "good", "odd", "dull")[:count]))
    folder, model = bert_folder("sequence-classification", id2label=labels, problem_type=problem)
    theirs = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    task = build_task("text-classification", folder, make_spec("sequence-classification", count))
    texts, pairs = ["the movie was great", "", "wolfgang!"], ["not good", "who?", ""]
    for inputs, given in (
        ({"text": texts}, texts),
        ({"text": texts, "text_pair": pairs}, [{"text": a, "text_pair": b} for a, b in zip(texts, pairs, strict=True)]),
    ):
        request = ask(**inputs)
        preparation = task.prepare(request)
        found = outputs(task.finish(request, preparation, run_encoder(model, preparation.texts)))
        for row, expected in enumerate(theirs(given, top_k=None)):
            assert [one["label"].encode() for one in expected] == found["labels"][row].tolist()
            np.testing.assert_allclose(found["scores"][row], [one["score"] for one in expected], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("table", "count", "words"),
    [
        ({"0": "a", "2": "c"}, 2, "names the classes 0, 2, but the model has 2: it must name 0 to 1"),
        ({"0": "a", "2": "c"}, 3, "names the classes 0, 2, but the model has 3"),
        ({"0": "a", "1": "b", "2": "c"}, 2, "names the classes 0, 1, 2, but the model has 2"),
        ({"LABEL_0": 0, "LABEL_1": 1}, 2, "id2label must map class numbers to names"),
        (["a", "b"], 2, r"id2label is \['a', 'b'\], an object is expected"),
    ],
)
def test_label_maps_that_do_not_fit(make_folder: Any, make_spec: Any, table: Any, count: int, words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        build_task("text-classification", make_folder({"id2label": table}), make_spec("sequence-classification", count))


@pytest.mark.parametrize(
    ("config", "settings", "count", "expected"),
    [
        ({}, {}, 2, "softmax"),
        ({}, {}, 1, "sigmoid"),
        ({"problem_type": "regression"}, {}, 1, "none"),
        ({"problem_type": "regression"}, {}, 3, "none"),
        ({"problem_type": "multi_label_classification"}, {}, 3, "sigmoid"),
        ({"problem_type": "single_label_classification"}, {}, 3, "softmax"),
        ({}, {"activation_fn": "torch.nn.modules.linear.Identity"}, 3, "none"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, {}, 3, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, {}, 3, "none"),
        ({"sentence_transformers": {"version": "4.0.1"}}, {}, 3, "none"),
        ({"sentence_transformers": {"version": "4.0.1"}}, {}, 1, "sigmoid"),
        ({"sentence_transformers": {"version": "4.0.1"}, "problem_type": "regression"}, {}, 1, "sigmoid"),
        ({}, {"model_type": "CrossEncoder"}, 3, "none"),
        ({}, {"model_type": "CrossEncoder", "activation_fn": None}, 1, "sigmoid"),
    ],
)
def test_the_function_is_the_checkpoints(
    make_folder: Any, config: dict[str, Any], settings: dict[str, Any], count: int, expected: str
) -> None:
    checkpoint = Checkpoint(make_folder(config, config_sentence_transformers=settings))
    assert default_function(checkpoint, count) == expected


def test_prompts_stand_before_the_first_text(make_folder: Any, make_spec: Any, ask: Ask) -> None:
    settings = {"model_type": "CrossEncoder", "prompts": {"plain": "who is "}, "default_prompt_name": "plain"}
    folder = make_folder({"id2label": LABELS}, config_sentence_transformers=settings)
    task = build_task("text-classification", folder, make_spec("sequence-classification", 3))
    wanted = task.prepare(ask({"prompt": ""}, text=["who is it"], text_pair=["a"])).texts
    found = task.prepare(ask(text=["it"], text_pair=["a"])).texts
    assert found[0].input_ids.tolist() == wanted[0].input_ids.tolist()
