from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]


@pytest.fixture
def task(make_folder: Any, make_spec: Any) -> Any:
    return build_task("fill-mask", make_folder(), make_spec("masked-lm", 60, max_tokens=16))


def outputs(response: Any) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in response.outputs}


def peaks(*tokens: int) -> dict[str, np.ndarray]:
    """Logits of one row for each token, at which they peak; the next token comes second."""
    rows = np.zeros((len(tokens), 60), np.float32)
    for row, token in enumerate(tokens):
        rows[row, token], rows[row, token + 1] = 9, 8
    return {"logits": rows}


def test_one_row_for_each_mask(task: Any, ask: Ask) -> None:
    request = ask({"top_k": 2}, text=["the [MASK] is [MASK].", "a [MASK]"])
    preparation = task.prepare(request)
    assert [s.rows.tolist() for s in preparation.texts] == [[2, 4], [2]]
    found = outputs(task.finish(request, preparation, [peaks(38, 36), peaks(38)]))
    assert found["token_id"].tolist() == [[38, 39], [36, 37], [38, 39]]
    assert found["token"].tolist() == [[b"movie", b"great"], [b"good", b"bad"], [b"movie", b"great"]]
    assert found["text_index"].tolist() == [0, 0, 1]
    assert found["sequence"][2].tolist() == [b"a movie", b"a great"]
    assert found["sequence"][0, 0] == b"[CLS] the movie is [MASK]. [SEP]"
    assert found["score"].dtype == np.float32


def test_targets_limit_the_choice_and_top_k(task: Any, ask: Ask) -> None:
    request = ask({"targets": "movie, cityx"}, text=["a [MASK]"])
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, [peaks(38)]))
    assert found["token"].tolist() == [[b"movie", b"city"]]
    assert outputs(task.finish(request, preparation, [peaks(5)]))["score"].shape == (1, 2)
    with pytest.raises(InvalidRequest, match="'targets' is empty"):
        task.prepare(ask({"targets": " , "}, text=["a [MASK]"]))
    with pytest.raises(InvalidRequest, match="' ' has no tokens"):
        task.prepare(ask({"targets": '[" "]'}, text=["a [MASK]"]))


def test_sequences_are_made_only_when_asked_for(task: Any, ask: Ask) -> None:
    request = ask(text=["a [MASK]"], outputs=["token", "score"])
    assert list(outputs(task.finish(request, task.prepare(request), [peaks(38)]))) == ["token", "score"]


def test_a_text_without_a_mask_is_named(task: Any, ask: Ask) -> None:
    with pytest.raises(InvalidRequest, match=r"text 1 has no \[MASK\] among its first 16 tokens"):
        task.prepare(ask(text=["a [MASK]", "a movie"]))
    with pytest.raises(InvalidRequest, match=r"text 0 has no \[MASK\]"):
        task.prepare(ask(text=["the " * 40 + "[MASK]"]))


def test_a_tokenizer_without_a_mask_is_refused(make_folder: Any, make_spec: Any) -> None:
    folder = make_folder()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n")
    with pytest.raises(LoadFailed, match="needs a mask token"):
        build_task("fill-mask", folder, make_spec("masked-lm", 5))


@pytest.mark.torch
@pytest.mark.parametrize(
    "parameters", [{}, {"top_k": 3}, {"targets": ["movie", "city", "wolfgang"]}, {"targets": ["the"], "top_k": 4}]
)
def test_answers_equal_the_pipeline(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask, parameters: dict[str, Any]
) -> None:
    from transformers import AutoTokenizer, pipeline

    folder, model = bert_folder("masked-lm")
    theirs = pipeline("fill-mask", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    task = build_task("fill-mask", folder, make_spec("masked-lm", model.config.vocab_size))
    texts = ["the [MASK] was great.", "[MASK]", "Who is [MASK], [MASK]?"]
    request = ask(parameters, text=texts)
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, run_encoder(model, preparation.texts)))
    rows = [theirs(texts[0], **parameters), theirs(texts[1], **parameters), *theirs(texts[2], **parameters)]
    for row, expected in enumerate(rows):
        assert [one["token"] for one in expected] == found["token_id"][row].tolist()
        assert [one["token_str"].encode() for one in expected] == found["token"][row].tolist()
        assert [one["sequence"].encode() for one in expected] == found["sequence"][row].tolist()
        np.testing.assert_allclose(found["score"][row], [one["score"] for one in expected], rtol=1e-4, atol=1e-6)
    assert found["text_index"].tolist() == [0, 1, 2, 2]
