from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]


@pytest.fixture
def task(make_folder: Any, make_spec: Any) -> Any:
    return build_task("question-answering", make_folder(), make_spec("question-answering", 2, max_tokens=24))


def outputs(response: Any) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in response.outputs}


def pointing(tokens: int, first: int, last: int, strength: float = 9) -> dict[str, np.ndarray]:
    """Logits of a window whose answer goes from one token to another."""
    logits = np.zeros((tokens, 2), np.float32)
    logits[first, 0] = logits[last, 1] = strength
    return {"logits": logits}


def test_the_answer_is_found_in_the_characters(task: Any, ask: Ask) -> None:
    context = "É Sarah: I live in New York!"
    request = ask(question=["where"], context=[context])
    preparation = task.prepare(request)
    assert preparation.texts[0].tokens == 13
    found = outputs(task.finish(request, preparation, [pointing(13, 8, 9)]))
    assert context[found["start"][0] : found["end"][0]] == "in New"
    assert found["answer"].tolist() == [b"in New"]
    assert 0.9 < found["score"][0] < 1
    (best,) = json.loads(found["answers"][0])
    assert best == {"score": pytest.approx(found["score"][0]), "start": 16, "end": 22, "answer": "in New"}


def test_answers_grow_to_words_unless_told_not_to(task: Any, ask: Ask) -> None:
    for parameters, words in (({}, b"wolfgang"), ({"align_to_words": False}, b"gang")):
        request = ask(parameters, question=["who"], context=["my wolfgang"])
        preparation = task.prepare(request)
        assert outputs(task.finish(request, preparation, [pointing(7, 5, 5)]))["answer"].tolist() == [words]


def test_long_contexts_are_read_in_windows_and_equal_words_add_up(task: Any, ask: Ask) -> None:
    context = "the city is big. " * 6
    request = ask({"doc_stride": 4, "top_k": 2}, question=["who is it"], context=[context])
    preparation = task.prepare(request)
    assert [s.tokens for s in preparation.texts] == [24, 22]
    assert preparation.truncated == 0
    results = [pointing(24, 6, 6), pointing(22, 7, 7, 0)]
    response = task.finish(request, preparation, results)
    best, second = json.loads(outputs(response)["answers"][0])
    assert (best["answer"], best["start"]) == ("city", 4)
    assert best["score"] > second["score"]


def test_no_answer_may_win_where_it_is_allowed(task: Any, ask: Ask) -> None:
    for parameters, allowed in (({}, False), ({"handle_impossible_answer": True}, True)):
        request = ask(parameters, question=["who"], context=["the city"])
        preparation = task.prepare(request)
        found = outputs(task.finish(request, preparation, [pointing(6, 0, 0)]))
        assert (found["answer"][0] == b"") == allowed
        assert (found["score"][0] > 0.9) == allowed


def test_one_question_for_many_contexts(task: Any, ask: Ask) -> None:
    request = ask(question=["who"], context=["sarah", "wolfgang"])
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, [pointing(5, 3, 3), pointing(6, 3, 4)]))
    assert found["answer"].tolist() == [b"sarah", b"wolfgang"]


def test_bad_requests_are_refused(task: Any, ask: Ask) -> None:
    for question, context in (("", "a"), ("a", ""), ("a", " \x00")):
        with pytest.raises(InvalidRequest, match="question 0 or its context has no words"):
            task.prepare(ask(question=[question], context=[context]))
    with pytest.raises(InvalidRequest, match="'question' has 2 elements and 'context' 3"):
        task.prepare(ask(question=["a", "b"], context=["a", "b", "c"]))
    with pytest.raises(InvalidRequest, match="'max_seq_len' is 25, the model takes 24 at most"):
        task.prepare(ask({"max_seq_len": 25}, question=["a"], context=["a"]))
    with pytest.raises(InvalidRequest, match="the question has 30 tokens"):
        task.prepare(ask(question=["the " * 30], context=["a"]))
    with pytest.raises(InvalidRequest, match="more than 10000 windows"):
        task.prepare(ask({"doc_stride": 19}, question=["a"], context=["the " * 11_000]))
    with pytest.raises(InvalidRequest, match="'max_answer_len' is 0, a whole number of at least 1"):
        task.prepare(ask({"max_answer_len": 0}, question=["a"], context=["a"]))


def test_options_are_checked_when_loaded(make_folder: Any, make_spec: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="no parameter 'topk'"):
        build_task("question-answering", make_folder(), make_spec("question-answering", 2), {"topk": 2})


QUESTION = "Where does Sarah live?"
CONTEXTS = [
    "My name is Sarah and I live in London.",
    "Wolfgang lives in Berlin, the capital of Germany. " * 3,
    "the river flows through the city; Paris is the capital of France, and London of England! " * 4,
]


def pipeline_answers(model: Any, tokenizer: Any, context: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """What transformers' former pipeline did, written plainly on its tokenizer and span search."""
    import torch
    from transformers.pipelines.document_question_answering import select_starts_ends

    given = {"top_k": 1, "max_answer_len": 15, "handle_impossible_answer": False, "max_seq_len": 64, **parameters}
    batch = tokenizer(
        QUESTION,
        context,
        truncation="only_second",
        max_length=given["max_seq_len"],
        stride=given.get("doc_stride", min(given["max_seq_len"] // 2, 128)),
        return_overflowing_tokens=True,
    )
    answers: list[dict[str, Any]] = []
    empty = 1_000_000.0
    for index, ids in enumerate(batch["input_ids"]):
        encoding = batch.encodings[index]
        masked = np.array([part != 1 for part in encoding.sequence_ids]) & (np.array(ids) != tokenizer.cls_token_id)
        with torch.no_grad():
            output = model(torch.tensor([ids]), token_type_ids=torch.tensor([batch["token_type_ids"][index]]))
        starts, ends, scores, empty = select_starts_ends(
            output.start_logits.numpy(),
            output.end_logits.numpy(),
            masked.astype(int)[None],
            np.ones((1, len(ids)), int),
            empty,
            2 * given["top_k"] + 10,
            given["handle_impossible_answer"],
            given["max_answer_len"],
        )
        for answer in spans_to_answers(encoding, context, zip(starts, ends, scores, strict=True)):
            same = [one for one in answers if one["answer"].lower() == answer["answer"].lower()]
            if same:
                same[0]["score"] += answer["score"]
            else:
                answers.append(answer)
    if given["handle_impossible_answer"]:
        answers.append({"score": empty, "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=lambda one: -one["score"])[: given["top_k"]]


def spans_to_answers(encoding: Any, context: str, spans: Any) -> Iterator[dict[str, Any]]:
    for first, last, score in spans:
        start = encoding.word_to_chars(encoding.token_to_word(first), 1)[0]
        end = encoding.word_to_chars(encoding.token_to_word(last), 1)[1]
        yield {"score": float(score), "start": start, "end": end, "answer": context[start:end]}


@pytest.mark.torch
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"top_k": 4},
        {"handle_impossible_answer": True, "top_k": 3},
        {"max_seq_len": 24, "doc_stride": 7, "max_answer_len": 3, "top_k": 5},
    ],
)
def test_answers_equal_the_former_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]],
    run_encoder: Any,
    make_spec: Any,
    ask: Ask,
    seed: int,
    parameters: dict[str, Any],
) -> None:
    from transformers import AutoTokenizer

    folder, model = bert_folder("question-answering", seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    task = build_task("question-answering", folder, make_spec("question-answering", 2))
    request = ask(parameters, question=[QUESTION], context=CONTEXTS)
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, run_encoder(model, preparation.texts)))
    assert len(preparation.texts) > len(CONTEXTS)
    for context, document in zip(CONTEXTS, found["answers"], strict=True):
        ours, theirs = json.loads(document), pipeline_answers(model, tokenizer, context, parameters)
        assert [{**one, "score": 0} for one in ours] == [{**one, "score": 0} for one in theirs]
        np.testing.assert_allclose([one["score"] for one in ours], [one["score"] for one in theirs], rtol=1e-4)
