from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.tasks import build_tensors

Ask = Callable[..., InferRequest]

IDS = np.array([[2, 5, 38, 3], [2, 3, 0, 0], [0, 0, 2, 3]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])


@pytest.fixture
def make_task(make_folder: Any) -> Callable[..., Any]:
    def make(head: str = "embedding", *outputs: tuple[str, str, int], **more: Any) -> Any:
        outputs = outputs or (("embedding", "item", 2), ("last_hidden_state", "token", 2))
        values = {"max_tokens": 8, "uses_type_ids": True, **more}
        spec = EncoderSpec("bert", head, tuple(EncoderOutput(*one) for one in outputs), **values)
        return build_tensors(make_folder({"vocab_size": 100, "type_vocab_size": 2}), spec)

    return make


def outputs(response: Any) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in response.outputs}


def test_padding_is_dropped_before_and_put_back_after(make_task: Any, ask: Ask) -> None:
    task = make_task()
    request = ask(input_ids=IDS, attention_mask=MASK)
    preparation = task.prepare(request)
    assert [s.input_ids.tolist() for s in preparation.texts] == [[2, 5, 38, 3], [2, 3], [2, 3]]
    assert {s.outputs for s in preparation.texts} == {("embedding", "last_hidden_state")}
    results = [
        {"embedding": np.full(2, n, np.float32), "last_hidden_state": np.full((s.tokens, 2), n, np.float32)}
        for n, s in enumerate(preparation.texts, 1)
    ]
    found = outputs(task.finish(request, preparation, results))
    assert found["embedding"].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert found["last_hidden_state"][..., 0].tolist() == [[1, 1, 1, 1], [2, 2, 0, 0], [0, 0, 3, 3]]
    assert found["last_hidden_state"].dtype == np.float32


def test_only_what_is_asked_for_is_computed(make_task: Any, ask: Ask) -> None:
    request = ask(input_ids=IDS, outputs=["embedding"])
    preparation = make_task().prepare(request)
    assert {s.outputs for s in preparation.texts} == {("embedding",)}
    response = make_task().finish(request, preparation, [{"embedding": np.zeros(2, np.float32)}] * 3)
    assert list(outputs(response)) == ["embedding"]


def test_type_ids_and_int32(make_task: Any, ask: Ask) -> None:
    types = np.array([[0, 0, 1, 1]] * 3, np.int32)
    inputs = {"input_ids": IDS.astype(np.int32), "attention_mask": MASK.astype(np.int32), "token_type_ids": types}
    tokenized = make_task().prepare(ask(**inputs)).texts
    assert [s.type_ids.tolist() for s in tokenized] == [[0, 0, 1, 1], [0, 0], [1, 1]]
    assert tokenized[0].input_ids.dtype == tokenized[0].type_ids.dtype == np.int64
    assert make_task(uses_type_ids=False).prepare(ask(**inputs)).texts[0].type_ids is None


def test_outputs_by_head(make_task: Any, ask: Ask) -> None:
    task = make_task("question-answering", ("logits", "token", 2))
    assert [(t.name, t.dims) for t in task.outputs] == [("start_logits", (-1, -1)), ("end_logits", (-1, -1))]
    request = ask(input_ids=IDS, attention_mask=MASK)
    preparation = task.prepare(request)
    results = [{"logits": np.stack([s.input_ids, -s.input_ids], 1).astype(np.float32)} for s in preparation.texts]
    found = outputs(task.finish(request, preparation, results))
    np.testing.assert_array_equal(found["start_logits"], IDS * MASK)
    np.testing.assert_array_equal(found["end_logits"], -IDS * MASK)
    request = ask(input_ids=IDS, attention_mask=MASK, outputs=["end_logits"])
    assert list(outputs(task.finish(request, task.prepare(request), results))) == ["end_logits"]

    task = make_task("masked-lm", ("logits", "row", 100))
    assert [(t.name, t.dims) for t in task.outputs] == [("logits", (-1, -1, 100))]
    assert task.prepare(ask(input_ids=IDS, attention_mask=MASK)).texts[1].rows.tolist() == [0, 1]

    task = make_task("sequence-classification", ("logits", "item", 3))
    assert [(t.name, t.dims) for t in task.outputs] == [("logits", (-1, 3))]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'input_ids' is missing"),
        ({"input_ids": IDS[0]}, r"'input_ids' has shape \[4\]"),
        ({"input_ids": IDS[:0]}, r"'input_ids' has shape \[0, 4\]"),
        ({"input_ids": IDS.astype(np.float32)}, "'input_ids' is FP32, INT64 or INT32"),
        ({"input_ids": IDS - 1}, "'input_ids' has values from -1 to 37, 0 to 99"),
        ({"input_ids": IDS + 97}, "values from 97 to 135, 0 to 99"),
        ({"input_ids": IDS, "attention_mask": MASK[:2]}, r"'attention_mask' has shape \[2, 4\], 'input_ids' \[3, 4\]"),
        ({"input_ids": IDS, "attention_mask": MASK * 2}, "'attention_mask' has values from 0 to 2, 0 to 1"),
        ({"input_ids": IDS, "attention_mask": MASK * 0}, "row 0 of 'input_ids' has 0 tokens, 1 to 8"),
        ({"input_ids": IDS, "token_type_ids": MASK * 5}, "'token_type_ids' has values from 0 to 5, 0 to 1"),
        ({"input_ids": np.ones((2, 9), np.int64)}, "row 0 of 'input_ids' has 9 tokens, 1 to 8"),
    ],
)
def test_bad_tensors_are_refused(make_task: Any, ask: Ask, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        make_task().prepare(ask(**inputs))


@pytest.mark.torch
def test_answers_equal_the_model_run_by_transformers(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, ask: Ask
) -> None:
    import torch

    folder, model = bert_folder("embedding")
    spec = EncoderSpec("bert", "embedding", (EncoderOutput("last_hidden_state", "token", 32),), 64, uses_type_ids=True)
    task = build_tensors(folder, spec)
    ids, mask = IDS[:2], MASK[:2]
    request = ask(input_ids=ids, attention_mask=mask, token_type_ids=mask)
    preparation = task.prepare(request)
    found = outputs(task.finish(request, preparation, run_encoder(model, preparation.texts)))["last_hidden_state"]
    with torch.no_grad():
        expected = model(*map(torch.from_numpy, (ids, mask, mask))).last_hidden_state.numpy()
    np.testing.assert_allclose(found, expected * mask[..., None], atol=1e-5)
