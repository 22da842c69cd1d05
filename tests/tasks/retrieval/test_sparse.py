"""Sparse embeddings: what is given of a text's weights, and queries that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import InvalidRequest, LoadFailed, Unsupported
from naiad.core.message import InferRequest
from naiad.tasks import build_task, infer_task

Ask = Callable[..., InferRequest]
WIDTH = 40
SPEC = EncoderSpec("bert", "sparse-embedding", (EncoderOutput("embedding", "item", WIDTH),), 64)
LIBRARY = "sentence_transformers.sparse_encoder.modules"


def vector(**weights: float) -> dict[str, Any]:
    found = np.zeros(WIDTH, np.float32)
    for index, weight in weights.items():
        found[int(index[1:])] = weight
    return {"embedding": found}


def answer(task: Any, request: InferRequest, *vectors: Any) -> dict[str, Any]:
    preparation = task.prepare(request)
    assert len(preparation.texts) == len(vectors)
    return {tensor.name: tensor.data.tolist() for tensor in task.finish(request, preparation, vectors).outputs}


@pytest.fixture
def task(make_folder: Any) -> Any:
    return build_task("sparse-embedding", make_folder({"architectures": ["BertForMaskedLM"]}), SPEC)


def test_the_longest_text_of_a_kind(make_folder: Any, ask: Ask) -> None:
    """query_length and document_length count where input_type says what the texts are, even beyond max_seq_length."""
    settings = {"max_seq_length": 8, "query_length": 5, "document_length": 10}
    task = build_task("sparse-embedding", make_folder(sentence_bert_config=settings), SPEC)

    def tokens(**parameters: str) -> int:
        preparation = task.prepare(ask(parameters, text=["the movie was very good " * 4]))
        return len(preparation.texts[0].input_ids)

    assert (tokens(), tokens(input_type="query"), tokens(input_type="document")) == (8, 5, 10)


def test_a_length_for_all_texts_wins(make_folder: Any, ask: Ask) -> None:
    settings = {"query_length": 5, "processing_kwargs": {"text": {"max_length": 12}}}
    task = build_task("sparse-embedding", make_folder(sentence_bert_config=settings), SPEC)
    preparation = task.prepare(ask({"input_type": "query"}, text=["the movie was very good " * 4]))
    assert len(preparation.texts[0].input_ids) == 12


def test_queries_that_would_be_expanded(make_folder: Any) -> None:
    settings = {"query_expansion": {"strategy": "fixed", "length": 32}}
    with pytest.raises(Unsupported, match=r"query_expansion in sentence_bert_config\.json changes answers"):
        build_task("sparse-embedding", make_folder(sentence_bert_config=settings), SPEC)


def test_a_length_too_short_for_text(make_folder: Any) -> None:
    with pytest.raises(LoadFailed, match="maximum of 2 tokens leaves no room"):
        build_task("sparse-embedding", make_folder(sentence_bert_config={"query_length": 2}), SPEC)


def test_what_is_not_zero_is_given_for_each_text(task: Any, ask: Ask) -> None:
    found = answer(task, ask(text=["the movie", "", "a"]), vector(_9=0.5, _5=2), vector(), vector(_6=1))
    assert found["counts"] == [2, 0, 1]
    assert (found["indices"], found["values"]) == ([5, 9, 6], [2, 0.5, 1])
    assert found["tokens"] == [b"the", b"of", b"a"]


def test_the_largest_are_kept(task: Any, make_folder: Any, ask: Ask) -> None:
    weights = vector(_5=1, _6=3, _7=2, _8=1)
    request = ask({"max_active_dims": 2}, text=["a"], outputs=["indices"])
    assert answer(task, request, weights) == {"indices": [6, 7]}
    folder = make_folder(config_sentence_transformers={"max_active_dims": 3, "model_type": "SparseEncoder"})
    limited = build_task(infer_task(folder), folder, SPEC)
    assert answer(limited, ask(text=["a"]), weights)["indices"] == [5, 6, 7]
    with pytest.raises(LoadFailed, match="max_active_dims is 0"):
        build_task("sparse-embedding", make_folder(config_sentence_transformers={"max_active_dims": 0}), SPEC)


@pytest.mark.parametrize(
    ("front", "settings", "modules", "task"),
    [
        ("tags: [splade]", {}, [], "sparse-embedding"),
        ("tags: [sparse-encoder]\npipeline_tag: feature-extraction", {}, [], "sparse-embedding"),
        ("", {"model_type": "SparseEncoder"}, [], "sparse-embedding"),
        ("", {}, ["Transformer", "SpladePooling"], "sparse-embedding"),
        ("", {}, ["MLMTransformer", "SpladePooling"], "sparse-embedding"),
        ("pipeline_tag: feature-extraction", {}, ["Transformer", "Pooling"], "feature-extraction"),
        ("", {}, [], "fill-mask"),
    ],
)
def test_which_checkpoints_are_sparse(make_folder: Any, front: str, settings: Any, modules: Any, task: str) -> None:
    listed = [{"path": "", "type": f"sentence_transformers.models.{kind}"} for kind in modules]
    folder = make_folder(
        {"architectures": ["BertForMaskedLM"]},
        config_sentence_transformers=settings,
        **({"modules": listed} if listed else {}),
    )
    (folder / "README.md").write_text(f"---\n{front}\n---\n")
    assert infer_task(folder) == task


def router(folder: Path, query: str = f"{LIBRARY}.SparseStaticEmbedding", **parameters: Any) -> Path:
    """Make a checkpoint's folder the document route of a router whose query route is a table of weights."""
    body, table = folder / "document_0_Transformer", folder / "query_0_SparseStaticEmbedding"
    body.mkdir()
    table.mkdir()
    for name in ("vocab.txt", "config.json"):
        (table / name).write_bytes((folder / name).read_bytes())
        (folder / name).rename(body / name)
    (table / "config.json").write_text("{}")
    (table / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    save_file({"weight": np.linspace(0, 3.9, WIDTH).astype(np.float32)}, table / "model.safetensors")
    types = {table.name: query, body.name: "sentence_transformers.models.Transformer"}
    structure = {"query": [table.name], "document": [body.name]}
    config = {"types": types, "structure": structure, "parameters": parameters}
    (folder / "router_config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "sentence_transformers.models.Router"}]))
    return folder


def test_queries_are_looked_up_where_there_is_a_table(make_folder: Any, ask: Ask) -> None:
    folder = router(make_folder(config_sentence_transformers={"model_type": "SparseEncoder"}), default_route="document")
    task = build_task(infer_task(folder), folder, SPEC)
    found = answer(task, ask({"input_type": "query"}, text=["in the the a", "", "of"]))
    assert (found["counts"], found["indices"]) == ([3, 0, 1], [5, 6, 8, 9])
    assert found["values"] == pytest.approx([0.5, 0.6, 0.8, 0.9])
    assert answer(task, ask(text=["a"]), vector(_6=1))["indices"] == [6]
    assert answer(task, ask({"input_type": "document"}, text=["a"]), vector(_6=1))["indices"] == [6]


def test_without_a_default_the_request_must_say(make_folder: Any, ask: Ask) -> None:
    folder = router(make_folder(), allow_empty_key=False)
    task = build_task("sparse-embedding", folder, SPEC)
    with pytest.raises(InvalidRequest, match="'input_type' must say what the texts are: query, document"):
        task.prepare(ask(text=["a"]))


def test_a_table_as_a_list_of_words(make_folder: Any, ask: Ask) -> None:
    folder = router(make_folder())
    table = folder / "query_0_SparseStaticEmbedding"
    (table / "config.json").write_text('{"path": "idf.json"}')
    (table / "idf.json").write_text('{"the": 1.5, "a": 2.5, "unheard": 9}')
    task = build_task("sparse-embedding", folder, SPEC)
    found = answer(task, ask({"input_type": "query"}, text=["a in the"]))
    assert (found["indices"], found["values"]) == ([5, 6], [1.5, 2.5])


def test_another_module_on_a_route_is_refused(make_folder: Any) -> None:
    folder = router(make_folder(), query="my.own.Table")
    with pytest.raises(Unsupported, match=r"the route query of the router is not served: my\.own\.Table"):
        build_task("sparse-embedding", folder, SPEC)
