"""Late interaction: which tokens run, which have a vector, and how texts are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest
from naiad.tasks import build_task, head_for, infer_task
from naiad.tasks.choice import second_task
from naiad.tasks.retrieval.maxsim import NOTHING_IN_COMMON, maxsim

Ask = Callable[..., InferRequest]
SPEC = EncoderSpec("bert", "late-interaction", (EncoderOutput("embedding", "token", 3),), 20)
CLS, SEP, MASK, THE, A, MOVIE = 2, 3, 4, 5, 6, 38
SAVED = {"model_type": "ColBERT", "query_length": 6, "skiplist_words": [".", "the"], "query_prefix": "big ",
         "document_prefix": "[none] "}  # fmt: skip


@pytest.fixture
def make_task(make_folder: Any) -> Callable[..., Any]:
    def make(name: str = "late-interaction", **saved: Any) -> Any:
        return build_task(name, make_folder(config_sentence_transformers={**SAVED, **saved}), SPEC)

    return make


def rows(task: Any, request: InferRequest) -> list[tuple[list[int], list[bool], int]]:
    preparation = task.prepare(request)
    counts = preparation.state
    return [
        (text.input_ids.tolist(), kept.tolist(), text.unseen_tokens)
        for text, kept in zip(preparation.texts, counts, strict=True)
    ]


def test_queries_are_marked_and_filled_up(make_task: Any, ask: Ask) -> None:
    big = rows(make_task(), ask({"prompt": ""}, text=["big"]))[0][0][1]
    asked = ask({"input_type": "query"}, text=["the movie", ""])
    assert rows(make_task(), asked) == [
        ([CLS, big, THE, MOVIE, SEP, MASK], [True] * 6, 1),
        ([CLS, big, SEP, MASK, MASK, MASK], [True] * 6, 3),
    ]
    attended = rows(make_task(attend_to_expansion_tokens=True), asked)
    assert [unseen for _, _, unseen in attended] == [0, 0]
    plain = rows(make_task(do_query_expansion=False), asked)
    assert plain[1] == ([CLS, big, SEP], [True] * 3, 0)


def test_long_queries_are_cut_and_the_answer_says_so(make_task: Any, ask: Ask) -> None:
    preparation = make_task().prepare(ask({"input_type": "query"}, text=["a " * 9, "a"]))
    assert preparation.texts[0].input_ids.tolist()[2:] == [A, A, A, SEP]
    assert preparation.truncated == 1
    longer = {"strategy": "min", "length": 6}
    preparation = make_task(query_expansion=longer, query_length=None).prepare(
        ask({"input_type": "query"}, text=["a " * 9, "a " * 40])
    )
    assert [text.tokens for text in preparation.texts] == [12, 20]


def test_documents_leave_tokens_out(make_task: Any, ask: Ask) -> None:
    """A marker that is no token of the vocabulary is text like any other."""
    task = make_task(document_length=7, document_prefix="a ")
    ids, kept, unseen = rows(task, ask(text=["the movie."]))[0]
    assert (ids[:4], ids[5:], unseen) == ([CLS, A, THE, MOVIE], [SEP], 0)
    assert kept == [True, True, False, True, False, True]
    assert len(rows(task, ask(text=["movie " * 9]))[0][0]) == 7
    assert rows(task, ask({"prompt": ""}, text=["movie"]))[0][0] == [CLS, MOVIE, SEP]
    spelled = rows(make_task(), ask(text=["movie"]))[0][0]
    assert spelled[-2:] == [MOVIE, SEP]
    assert len(spelled) > 5


def test_vectors_of_the_tokens_that_count(make_task: Any, ask: Ask) -> None:
    task = make_task(document_prefix="")
    request = ask(text=["the movie", "a"])
    states = [{"embedding": np.arange(12, dtype=np.float32).reshape(4, 3)}, {"embedding": np.ones((3, 3), np.float32)}]
    found = {tensor.name: tensor.data for tensor in task.finish(request, task.prepare(request), states).outputs}
    assert found["counts"].tolist() == [3, 3]
    assert found["embedding"][:, 0].tolist() == [0, 6, 9, 1, 1, 1]
    assert [(tensor.name, tensor.dims) for tensor in task.outputs] == [("counts", (-1,)), ("embedding", (-1, 3))]
    with pytest.raises(InvalidRequest, match="'input_type' is 'passage', one of query, document"):
        task.prepare(ask({"input_type": "passage"}, text=["a"]))


def test_an_expansion_token_that_there_is_not(make_task: Any) -> None:
    with pytest.raises(LoadFailed, match=r"the tokenizer has no '\[X\]'"):
        make_task(query_expansion={"strategy": "fixed", "length": 4, "token": "[X]"})


def test_it_ranks_beside(make_folder: Any) -> None:
    folder = make_folder(config_sentence_transformers=SAVED)
    assert (infer_task(folder), head_for("text-ranking", folder)) == ("late-interaction", "late-interaction")
    assert head_for("text-ranking") == "sequence-classification"
    assert (second_task("late-interaction"), second_task("embedding")) == ("text-ranking", "")


def answer(task: Any, request: InferRequest, *states: Any) -> dict[str, Any]:
    preparation = task.prepare(request)
    results = [
        {"embedding": np.resize(np.array(state, np.float32), (text.tokens, 3))}
        for state, text in zip(states, preparation.texts, strict=True)
    ]
    return {tensor.name: tensor.data.tolist() for tensor in task.finish(request, preparation, results).outputs}


def test_documents_are_ordered_by_maxsim(make_task: Any, ask: Ask) -> None:
    task = make_task("text-ranking", do_query_expansion=False, query_prefix="", document_prefix="")
    request = ask(query=["a"], documents=["movie", "a", "the"])
    found = answer(task, request, [1, 0, 0], [0.5, 0, 0], [0.75, 0, 0], [-1, 0, 0])
    assert found == {"score": [1.5, 2.25, -3], "index": [1, 0, 2]}
    asked = ask({"top_k": 1, "function_to_apply": "none"}, query=["a"], documents=["movie", "a"])
    assert answer(task, asked, [1, 0, 0], [0, 1, 0], [1, 0, 0])["index"] == [1]
    mean = make_task(
        "text-ranking", do_query_expansion=False, query_prefix="", document_prefix="", similarity_fn_name="meanmaxsim"
    )
    assert answer(mean, request, [1, 0, 0], [0.5, 0, 0], [0.75, 0, 0], [-1, 0, 0])["score"] == [0.5, 0.75, -1]
    pairs = ask(query=["a", "movie"], documents=["a", "movie"])
    assert answer(task, pairs, [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 2, 0])["score"] == [3, 6]
    with pytest.raises(InvalidRequest, match="'query' has 2 elements and 'documents' 3"):
        task.prepare(ask(query=["a", "b"], documents=["a", "b", "c"]))


def test_texts_without_vectors_are_worst() -> None:
    some, none = np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32)
    assert maxsim(some, none) == maxsim(none, some) == NOTHING_IN_COMMON
