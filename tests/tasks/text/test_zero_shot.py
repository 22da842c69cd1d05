from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest, LoadFailed
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]
LABELS = {"0": "CONTRADICTION", "1": "neutral", "2": "Entailment"}


def outputs(response: Any) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in response.outputs}


@pytest.fixture
def make_task(make_folder: Any, make_spec: Any) -> Callable[..., Any]:
    def make(options: dict[str, Any] | None = None, labels: dict[str, str] | None = None) -> Any:
        folder = make_folder({"id2label": labels or LABELS})
        spec = make_spec("sequence-classification", 3, max_tokens=16)
        return build_task("zero-shot-classification", folder, spec, options)

    return make


def test_every_text_meets_every_label(make_task: Any, ask: Ask) -> None:
    task = make_task()
    request = ask({"hypothesis_template": "it is {}"}, text=["the movie", "a city"], candidate_labels=["good", "bad"])
    preparation = task.prepare(request)
    assert [s.tokens for s in preparation.texts] == [8] * 4
    logits = [[0, 0, 1], [0, 0, 3], [9, 0, 2], [0, 0, 1]]
    found = outputs(task.finish(request, preparation, [{"logits": np.array(row, np.float32)} for row in logits]))
    assert found["labels"].tolist() == [[b"bad", b"good"], [b"good", b"bad"]]
    np.testing.assert_allclose(found["scores"], [[0.880797, 0.119203], [0.7310586, 0.2689414]], rtol=1e-5)
    assert found["label"].tolist() == [b"bad", b"good"]
    np.testing.assert_array_equal(found["score"], found["scores"][:, 0])


def test_labels_may_come_as_parameter_or_option(make_task: Any, ask: Ask) -> None:
    assert len(make_task().prepare(ask({"candidate_labels": "good, bad"}, text=["a"])).texts) == 2
    assert len(make_task({"candidate_labels": ["good", "bad", "big"]}).prepare(ask(text=["a"])).texts) == 3
    with pytest.raises(InvalidRequest, match="'candidate_labels' is missing"):
        make_task().prepare(ask(text=["a"]))


@pytest.mark.parametrize("template", ["this is good", "{} is {}", "{0}", "{:>1000000000}", "{0.__class__}"])
def test_templates_are_not_formatted(make_task: Any, ask: Ask, template: str) -> None:
    """A caller's template must neither fill the memory nor read attributes."""
    with pytest.raises(InvalidRequest, match=r"it needs \{\} once"):
        make_task().prepare(ask({"hypothesis_template": template}, text=["a"], candidate_labels=["b"]))


def test_only_the_text_is_cut(make_task: Any, ask: Ask) -> None:
    request = ask(text=["the " * 50, "a"], candidate_labels=["good", "bad"])
    preparation = make_task().prepare(request)
    assert preparation.truncated == 1
    assert [s.tokens for s in preparation.texts[:2]] == [16, 16]
    with pytest.raises(InvalidRequest, match="the part that is not cut has"):
        make_task().prepare(ask(text=["the"], candidate_labels=["good " * 20]))


def test_too_many_pairs_are_refused(make_task: Any, ask: Ask) -> None:
    with pytest.raises(InvalidRequest, match="101 texts times 100 candidate labels are more than 10000"):
        make_task().prepare(ask(text=["a"] * 101, candidate_labels=["b"] * 100))


def test_a_classifier_without_entailment_is_refused(make_task: Any) -> None:
    with pytest.raises(InvalidConfiguration, match=r"begins with 'entail' in config\.json; the labels are: a, b, c"):
        make_task(labels={"0": "a", "1": "b", "2": "c"})


def test_a_wrong_number_of_the_entailment_label_is_named(make_folder: Any, make_spec: Any) -> None:
    for number in (3, -1, "x"):
        folder = make_folder({"id2label": LABELS, "label2id": {"entailment": number}})
        with pytest.raises(LoadFailed, match="label2id gives 'entailment' the number"):
            build_task("zero-shot-classification", folder, make_spec("sequence-classification", 3))


@pytest.mark.torch
@pytest.mark.parametrize("labels", [LABELS, {"0": "entailment", "1": "neutral", "2": "contradiction"}])
@pytest.mark.parametrize("candidates", [["politics", "sports", "a movie"], ["science"]])
@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]],
    run_encoder: Any,
    make_spec: Any,
    ask: Ask,
    labels: dict[str, str],
    candidates: list[str],
    multi_label: bool,
) -> None:
    from transformers import AutoTokenizer, pipeline

    table = {int(key): label for key, label in labels.items()}
    folder, model = bert_folder(
        "sequence-classification", id2label=table, label2id={label: key for key, label in table.items()}
    )
    theirs = pipeline("zero-shot-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    task = build_task("zero-shot-classification", folder, make_spec("sequence-classification", 3))
    texts, template = ["the movie was great", "who works in paris?", "the " * 100], "this text is about {}."
    request = ask(
        {"hypothesis_template": template, "multi_label": multi_label}, text=texts, candidate_labels=candidates
    )
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, run_encoder(model, preparation.texts)))
    expected = theirs(texts, candidate_labels=candidates, hypothesis_template=template, multi_label=multi_label)
    for row, one in enumerate(expected):
        assert [label.encode() for label in one["labels"]] == found["labels"][row].tolist()
        np.testing.assert_allclose(found["scores"][row], one["scores"], rtol=1e-4, atol=1e-6)
