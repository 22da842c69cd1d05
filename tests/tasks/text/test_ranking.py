from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]


@pytest.fixture
def make_task(make_folder: Any, make_spec: Any) -> Callable[..., Any]:
    def make(options: dict[str, Any] | None = None, width: int = 1, **config: Any) -> Any:
        return build_task(
            "text-ranking", make_folder(config), make_spec("sequence-classification", width, max_tokens=16), options
        )

    return make


def answer(task: Any, request: InferRequest, logits: list[float]) -> dict[str, Any]:
    preparation = task.prepare(request)
    response = task.finish(request, preparation, [{"logits": np.array([one], np.float32)} for one in logits])
    return {tensor.name: tensor.data for tensor in response.outputs}


def test_scores_keep_the_order_of_the_documents_and_index_sorts_them(make_task: Any, ask: Ask) -> None:
    request = ask(query=["who"], documents=["the movie", "a", "city"])
    assert [s.type_ids.tolist() for s in make_task().prepare(request).texts][1] == [0, 0, 0, 1, 1]
    found = answer(make_task(), request, [0, 2, 1])
    np.testing.assert_allclose(found["score"], [0.5, 0.880797, 0.731059], rtol=1e-5)
    assert found["index"].tolist() == [1, 2, 0]
    assert found["index"].dtype == np.int64
    request = ask({"top_k": 2}, query=["who"], documents=["the movie", "a", "city"])
    assert answer(make_task(), request, [0, 2, 1])["index"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 0.880797),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, 2.0),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, 0.964028),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, 2.0),
        ({"sentence_transformers": {"version": "4.1"}}, 0.880797),
    ],
)
def test_the_checkpoint_names_the_function(make_task: Any, ask: Ask, config: dict[str, Any], expected: float) -> None:
    found = answer(make_task(**config), ask(query=["a"], documents=["b"]), [2.0])
    np.testing.assert_allclose(found["score"], [expected], rtol=1e-5)


def test_the_caller_may_name_another(make_task: Any, ask: Ask) -> None:
    found = answer(make_task(), ask({"function_to_apply": "none"}, query=["a"], documents=["b"]), [-3.0])
    assert found["score"].tolist() == [-3]


def test_prompts_stand_before_the_query(make_folder: Any, make_spec: Any, ask: Ask) -> None:
    settings = {"model_type": "CrossEncoder", "prompts": {"plain": "who is "}, "default_prompt_name": "plain"}
    folder = make_folder(config_sentence_transformers=settings)
    task = build_task("text-ranking", folder, make_spec("sequence-classification", 1))
    plain = {"prompt": ""}
    wanted = task.prepare(ask(plain, query=["who is it"], documents=["a", "b"])).texts
    found = task.prepare(ask(query=["it"], documents=["a", "b"])).texts
    assert [s.input_ids.tolist() for s in found] == [s.input_ids.tolist() for s in wanted]


def test_one_query_or_one_each(make_task: Any, ask: Ask) -> None:
    assert len(make_task().prepare(ask(query=["a", "b"], documents=["c", "d"])).texts) == 2
    with pytest.raises(InvalidRequest, match="'query' has 2 elements and 'documents' 3: send one query, or one each"):
        make_task().prepare(ask(query=["a", "b"], documents=["c", "d", "e"]))


def test_long_documents_are_cut(make_task: Any, ask: Ask) -> None:
    request = ask(query=["who is it"], documents=["the " * 50, "a"])
    preparation = make_task().prepare(request)
    assert preparation.truncated == 1
    assert preparation.texts[0].tokens == 16


def test_what_cannot_rank_is_refused(make_task: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="one logit, this one has 3; use 'text-classification'"):
        make_task(width=3)
    with pytest.raises(InvalidConfiguration, match=r"names the activation 'my\.code\.Swish'; known of torch"):
        make_task(sbert_ce_default_activation_function="my.code.Swish")


def test_an_unknown_function_does_not_matter_where_an_option_names_one(make_task: Any, ask: Ask) -> None:
    task = make_task({"function_to_apply": "none"}, sbert_ce_default_activation_function="my.code.Swish")
    assert answer(task, ask(query=["a"], documents=["b"]), [2.0])["score"].tolist() == [2]
    assert answer(task, ask({"function_to_apply": "default"}, query=["a"], documents=["b"]), [2.0])["score"] == [2]


def test_the_place_of_version_6_wins(make_folder: Any, make_spec: Any, ask: Ask) -> None:
    settings = {"model_type": "CrossEncoder", "activation_fn": "torch.nn.modules.linear.Identity"}
    older = {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}
    folder = make_folder(older, config_sentence_transformers=settings)
    task = build_task("text-ranking", folder, make_spec("sequence-classification", 1))
    assert answer(task, ask(query=["a"], documents=["b"]), [2.0])["score"].tolist() == [2]


@pytest.mark.torch
def test_scores_equal_the_model_run_by_transformers(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask
) -> None:
    import torch
    from transformers import AutoTokenizer

    folder, model = bert_folder("sequence-classification", num_labels=1)
    task = build_task("text-ranking", folder, make_spec("sequence-classification", 1))
    documents = ["the movie was great", "", "the big river flows through the city " * 20]
    request = ask(query=["what is in the city?"], documents=documents)
    preparation = task.prepare(request)
    response = task.finish(request, preparation, run_encoder(model, preparation.texts))
    batch = AutoTokenizer.from_pretrained(folder)(
        ["what is in the city?"] * 3, documents, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        expected = torch.sigmoid(model(**batch).logits[:, 0]).numpy()
    np.testing.assert_allclose(response.outputs[0].data, expected, rtol=1e-4)
    assert response.outputs[1].data.tolist() == np.argsort(-expected).tolist()
    assert response.parameters == {"truncated": True, "truncated_texts": 1}
