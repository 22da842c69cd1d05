from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Task
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidConfiguration, InvalidRequest, LoadFailed
from naiad.core.message import InferRequest
from naiad.tasks import build_task

Ask = Callable[..., InferRequest]


@pytest.fixture
def task(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> Task:
    return build_task("feature-extraction", make_folder(), make_spec(max_tokens=8))


def test_it_describes_itself(task: Task) -> None:
    assert [(t.name, t.datatype, t.dims) for t in task.inputs] == [("text", "BYTES", (-1,))]
    assert [(t.name, t.datatype, t.dims) for t in task.outputs] == [("embedding", "FP32", (-1, 4))]


def test_one_sequence_a_text_and_one_vector_a_sequence(task: Task, ask: Ask) -> None:
    request = ask(text=["the movie", ""])
    preparation = task.prepare(request)
    assert [s.input_ids.tolist() for s in preparation.texts] == [[2, 5, 38, 3], [2, 3]]
    assert {s.outputs for s in preparation.texts} == {("embedding",)}
    vectors = [np.arange(4, dtype=np.float32), np.ones(4, np.float32)]
    response = task.finish(request, preparation, [{"embedding": vector} for vector in vectors])
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "id-7")
    assert response.parameters == {}
    assert [(t.name, t.datatype, t.shape) for t in response.outputs] == [("embedding", "FP32", (2, 4))]
    np.testing.assert_array_equal(response.outputs[0].data, np.stack(vectors))


def test_the_answer_says_what_was_cut(task: Task, ask: Ask) -> None:
    request = ask(text=["the " * 6, "the " * 7, "the " * 100_000])
    preparation = task.prepare(request)
    assert [s.tokens for s in preparation.texts] == [8, 8, 8]
    assert preparation.texts[2].input_ids.tolist() == [2, 5, 5, 5, 5, 5, 5, 3]
    response = task.finish(request, preparation, [{"embedding": np.zeros(4, np.float32)}] * 3)
    assert response.parameters == {"truncated": True, "truncated_texts": 2}


def test_prompts_stand_before_the_text(
    make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec], ask: Ask
) -> None:
    settings = {"prompts": {"query": "what is ", "document": ""}, "default_prompt_name": "query"}
    task = build_task("sentence-similarity", make_folder(config_sentence_transformers=settings), make_spec())
    by_default = task.prepare(ask(text=["paris"])).texts[0].input_ids.tolist()
    named = task.prepare(ask({"prompt_name": "document"}, text=["paris"])).texts[0].input_ids.tolist()
    written = task.prepare(ask({"prompt_name": "document"}, text=["what is paris"])).texts[0].input_ids.tolist()
    assert by_default == written
    assert len(named) == 3
    with pytest.raises(InvalidRequest, match="one of query, document"):
        task.prepare(ask({"prompt_name": "passage"}, text=["a"]))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "default: "),
        ({"prompt": ""}, ""),
        ({"prompt": "my own "}, "my own "),
        ({"prompt": "my own ", "prompt_name": "query"}, "my own "),
        ({"prompt_name": "passage"}, "passage "),
        ({"prompt_name": "query", "input_type": "document"}, "what is "),
        ({"input_type": "query"}, "what is "),
        ({"input_type": "document"}, "passage "),
    ],
)
def test_which_prompt_is_meant(
    make_folder: Any, make_spec: Any, ask: Ask, parameters: dict[str, Any], expected: str
) -> None:
    prompts = {"corpus": "corpus ", "passage": "passage ", "query": "what is ", "none": None, "plain": "default: "}
    settings = {"prompts": prompts, "default_prompt_name": "plain"}
    task = build_task("feature-extraction", make_folder(config_sentence_transformers=settings), make_spec())
    bare = build_task("feature-extraction", make_folder(config_sentence_transformers={}), make_spec())
    got = task.prepare(ask(parameters, text=["paris"])).texts[0].input_ids
    assert got.tolist() == bare.prepare(ask(text=[expected + "paris"])).texts[0].input_ids.tolist()


def test_a_kind_of_text_without_a_prompt_has_none(task: Task, ask: Ask) -> None:
    assert task.prepare(ask({"input_type": "query"}, text=["paris"])).texts[0].tokens == 3
    with pytest.raises(InvalidRequest, match="'input_type' is 'passage', one of query, document is expected"):
        task.prepare(ask({"input_type": "passage"}, text=["paris"]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"default_prompt_name": "query"}, "default_prompt_name is 'query', but the prompts are: none"),
        ({"prompts": {"a": 3}}, "`prompts` must map names to texts"),
        ({"truncate_dim": "8"}, "truncate_dim is '8', a whole number"),
    ],
)
def test_settings_that_make_no_sense(make_folder: Any, make_spec: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        build_task("feature-extraction", make_folder(config_sentence_transformers=settings), make_spec())


def test_an_encoder_that_leaves_prompts_out_is_told_how_long_they_are(
    make_folder: Any, make_spec: Any, ask: Ask
) -> None:
    settings = {"prompts": {"query": "what is "}}
    folder = make_folder(config_sentence_transformers=settings)
    task = build_task("feature-extraction", folder, make_spec(excludes_prompt=True))
    assert [s.prompt_tokens for s in task.prepare(ask(text=["paris", "a"])).texts] == [0, 0]
    asked = ask({"prompt_name": "query"}, text=["paris", "a"])
    assert [s.prompt_tokens for s in task.prepare(asked).texts] == [3, 3]
    task = build_task("feature-extraction", folder, make_spec())
    assert [s.prompt_tokens for s in task.prepare(asked).texts] == [0, 0]


def test_vectors_are_shortened_and_then_normalised(make_folder: Any, make_spec: Any, ask: Ask) -> None:
    folder = make_folder(config_sentence_transformers={"truncate_dim": 3})
    task = build_task("feature-extraction", folder, make_spec())
    assert task.outputs[0].dims == (-1, 3)
    vectors = [{"embedding": np.array([3, 4, 12, 84], np.float32)}]

    def embedding(**parameters: Any) -> list[float]:
        request = ask(parameters, text=["a"])
        found: list[float] = task.finish(request, task.prepare(request), vectors).outputs[0].data[0].tolist()
        return found

    assert embedding() == [3, 4, 12]
    assert embedding(truncate_dim=2) == [3, 4]
    assert embedding(truncate_dim=9) == [3, 4, 12, 84]
    assert embedding(truncate_dim=2, normalize=True) == pytest.approx([0.6, 0.8])
    wide = build_task("feature-extraction", folder, make_spec(), {"truncate_dim": 9})
    assert wide.outputs[0].dims == (-1, 4)


def test_bad_options_are_refused(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> None:
    with pytest.raises(InvalidConfiguration, match="no parameter 'pooling'"):
        build_task("feature-extraction", make_folder(), make_spec(), {"pooling": "cls"})


@pytest.mark.torch
def test_vectors_equal_those_of_transformers(
    bert_folder: Callable[..., tuple[Path, Any]], run_encoder: Any, make_spec: Any, ask: Ask
) -> None:
    import torch
    from transformers import AutoTokenizer

    folder, model = bert_folder("embedding")
    task = build_task("feature-extraction", folder, make_spec(width=32))
    texts = ["the movie was great", "who works in paris?", ""]
    request = ask(text=texts)
    preparation = task.prepare(request)
    response = task.finish(request, preparation, run_encoder(model, preparation.texts))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        expected = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts]
    np.testing.assert_allclose(response.outputs[0].data, torch.stack(expected).numpy(), atol=1e-6)
