"""Classify, score and the routes of text-embeddings-inference, asked with httpx as their users do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from naiad.repository import ModelEntry
from naiad.repository.manifest.entry import Batching
from naiad.testing import RunningServer, running_server, tiny_checkpoint

LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    embedder = tiny_checkpoint(folder / "tiny")
    judge = tiny_checkpoint(folder / "judge", head="sequence-classification", labels=LABELS)
    ranker = tiny_checkpoint(folder / "ranker", head="sequence-classification", labels=("relevant",))
    sparse = tiny_checkpoint(folder / "sparse", head="masked-lm")
    (sparse / "README.md").write_text("---\ntags: [splade]\n---\n")
    # Of a fixed size, so that equal texts share equal runs and their scores are equal to the last bit.
    fixed = ModelEntry.from_source(f"judge={judge}", batching=Batching(max_tokens_per_batch=160))
    with running_server(f"tiny={embedder}", fixed, f"ranker={ranker}", f"sparse={sparse}") as running:
        assert running.all_loaded
        yield running


def late_interaction(folder: Path) -> Path:
    """Make an embedding checkpoint one that gives a vector for each token."""
    tiny_checkpoint(folder)
    normalize = {"path": "1_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"}
    modules = [{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}, normalize]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Normalize").mkdir()
    (folder / "1_Normalize" / "config.json").write_text('{"module_input_name": "token_embeddings"}')
    (folder / "config_sentence_transformers.json").write_text('{"model_type": "MultiVectorEncoder"}')
    return folder


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer none"}) as made:
        yield made


def ask(client: httpx2.Client, path: str, document: dict[str, Any]) -> Any:
    answer = client.post(path, json=document)
    assert answer.status_code == 200, answer.text
    return answer.json()


def infer(client: httpx2.Client, model: str, document: dict[str, Any]) -> Any:
    return ask(client, f"/v2/models/{model}/generate", document)


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
def test_classify(client: httpx2.Client, path: str) -> None:
    body = ask(client, path, {"model": "judge", "input": ["a good movie", "bad"]})
    assert (body["object"], body["model"], body["id"][:9]) == ("list", "judge", "classify-")
    assert body["usage"] == {
        "prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0, "prompt_tokens_details": None,
    }  # fmt: skip
    for at, row in enumerate(body["data"]):
        assert (row["index"], row["num_classes"], len(row["probs"])) == (at, 3, 3)
        assert np.isclose(sum(row["probs"]), 1, atol=1e-6)
        assert row["label"] == LABELS[int(np.argmax(row["probs"]))]  # the order of id2label
    single = ask(client, path, {"model": "org/judge", "input": "a good movie"})["data"]
    assert np.allclose(single[0]["probs"], body["data"][0]["probs"], atol=1e-6)


def test_classify_without_activation(client: httpx2.Client) -> None:
    raw = ask(client, "/classify", {"model": "judge", "input": "bad", "use_activation": False})["data"][0]["probs"]
    body = ask(client, "/classify", {"model": "judge", "input": "bad"})["data"][0]["probs"]
    powers = np.exp(np.array(raw) - max(raw))
    assert np.allclose(powers / powers.sum(), body, atol=1e-6)


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
def test_score_of_a_model_that_ranks(client: httpx2.Client, path: str) -> None:
    texts = ["hello world", "a good movie"]
    body = ask(client, path, {"model": "ranker", "text_1": "movie", "text_2": texts})
    assert [(row["index"], row["object"]) for row in body["data"]] == [(0, "score"), (1, "score")]
    wanted = ask(client, "/v1/rerank", {"model": "ranker", "query": "movie", "documents": texts})
    assert wanted["id"].startswith("rerank-")
    by_index = {row["index"]: row["relevance_score"] for row in wanted["results"]}
    assert np.allclose([row["score"] for row in body["data"]], [by_index[0], by_index[1]], atol=1e-6)
    pairs = ask(client, path, {"model": "ranker", "text_1": ["movie", "movie"], "text_2": texts})
    assert np.allclose([row["score"] for row in pairs["data"]], [row["score"] for row in body["data"]], atol=1e-6)
    assert body["usage"]["total_tokens"] > 0


def test_score_of_a_model_that_embeds_is_the_cosine(client: httpx2.Client) -> None:
    body = ask(client, "/score", {"model": "tiny", "text_1": "movie", "text_2": ["movie", "the river"]})
    first, second = (
        np.array(ask(client, "/embed", {"model": "tiny", "inputs": text})[0]) for text in ("movie", "the river")
    )
    assert np.allclose([row["score"] for row in body["data"]], [1, first @ second], atol=1e-5)


def test_rerank_without_activation(client: httpx2.Client) -> None:
    asked = {"model": "ranker", "query": "movie", "documents": ["a", "b"]}
    raw = ask(client, "/v1/rerank", {**asked, "use_activation": False})["results"]
    scores = ask(client, "/v1/rerank", asked)["results"]
    assert np.allclose([1 / (1 + np.exp(-row["relevance_score"])) for row in raw],
                       [row["relevance_score"] for row in scores], atol=1e-6)  # fmt: skip


def test_embed(client: httpx2.Client) -> None:
    rows = ask(client, "/embed", {"inputs": ["hello world", "bad"]})
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(ask(client, "/embed", {"inputs": "bad", "truncate": True})[0], rows[1], atol=1e-6)
    assert len(ask(client, "/embed", {"inputs": [[2, 17, 3], [2, 3]], "dimensions": 4})[1]) == 4


def test_embed_sparse(client: httpx2.Client) -> None:
    rows = ask(client, "/embed_sparse", {"inputs": ["hello world", "bad"]})
    whole = infer(client, "sparse", {"text": "bad", "max_active_dims": 1_000_000})
    assert [pair["index"] for pair in rows[1]] == sorted(whole["indices"])
    assert np.allclose([pair["value"] for pair in rows[1]], whole["values"], atol=1e-5)
    assert all(pair["value"] > 0 for row in rows for pair in row)
    assert client.post("/embed_sparse", json={"inputs": ["a"], "model": "tiny"}).status_code == 422


def test_a_late_interaction_model_ranks_by_its_own_name(tmp_path: Path) -> None:
    asked = {"query": "movie", "documents": ["movie", "the river", "a movie in the city"]}
    with (
        running_server(f"late={late_interaction(tmp_path / 'm')}") as running,
        httpx2.Client(base_url=running.url) as one,
    ):
        rows = ask(one, "/v1/rerank", {"model": "late", **asked})["results"]
        wanted = infer(one, "late.ranking", asked)
        assert [row["index"] for row in rows] == wanted["index"]
        assert np.allclose([row["relevance_score"] for row in rows], sorted(wanted["score"], reverse=True), atol=1e-5)
        texts = [{"index": row["index"], "score": row["relevance_score"]} for row in rows]
        assert ask(one, "/rerank", {"query": "movie", "texts": asked["documents"]}) == texts
        assert infer(one, "late", {"text": "movie"})["counts"] == 3


def test_predict(client: httpx2.Client) -> None:
    one = ask(client, "/predict", {"inputs": "a good movie"})
    assert sorted(row["label"] for row in one) == sorted(LABELS)
    assert [row["score"] for row in one] == sorted((row["score"] for row in one), reverse=True)
    several = ask(client, "/predict", {"inputs": [["a good movie"], ["a good movie", "bad"]]})
    assert [row["label"] for row in several[0]] == [row["label"] for row in one]
    assert several[1] == ask(client, "/predict", {"inputs": ["a good movie", "bad"]})
    raw = ask(client, "/predict", {"inputs": "a good movie", "raw_scores": True})
    powers = np.exp([row["score"] for row in raw])
    assert np.allclose(powers / powers.sum(), [row["score"] for row in one], atol=1e-5)


def test_rerank_with_texts(client: httpx2.Client) -> None:
    texts = ["hello world", "a good movie"]
    rows = ask(client, "/rerank", {"query": "movie", "texts": texts, "return_text": True})
    wanted = ask(client, "/rerank", {"model": "ranker", "query": "movie", "documents": texts})["results"]
    assert [(row["index"], row["text"]) for row in rows] == [(row["index"], texts[row["index"]]) for row in wanted]
    assert np.allclose([row["score"] for row in rows], [row["relevance_score"] for row in wanted], atol=1e-6)
    assert "text" not in ask(client, "/rerank", {"query": "movie", "texts": texts, "raw_scores": True})[0]


@pytest.mark.parametrize(
    ("path", "document", "status", "words"),
    [
        ("/v1/classify", {"input": "x"}, 400, "'model' must be the name"),
        ("/v1/classify", {"model": "ranker", "input": "x"}, 400, "model 'ranker' does not support classification"),
        ("/v1/classify", {"model": "judge", "input": [1, 2]}, 400, "'input' must be a string or a list of strings"),
        ("/v1/classify", {"model": "judge", "input": []}, 400, "'input' must be"),
        ("/v1/classify", {"model": "judge", "input": "x", "use_activation": 1}, 400, "must be true or false"),
        ("/v1/classify", {"model": "judge", "input": "x", "colour": 1}, 400, "unknown key 'colour'"),
        ("/v1/score", {"model": "judge", "text_1": "a", "text_2": "b"}, 400, "does not support scoring pairs"),
        ("/v1/score", {"model": "ranker", "text_1": "a"}, 400, "'text_2' must be"),
        ("/v1/score", {"model": "ranker", "text_1": ["a", "b"], "text_2": ["c"]}, 400, "'text_1' has 2 texts"),
        ("/v1/rerank", {"model": "ranker", "query": "q", "documents": ["a"], "top_n": 0}, 400, "'top_n' must be"),
        ("/v1/rerank", {"model": "nope", "query": "q", "documents": ["a"]}, 404, "there is no model 'nope'"),
    ],
)
def test_mistakes_have_openais_shape(
    client: httpx2.Client, path: str, document: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(path, json=document)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, "invalid_request_error")
    assert words in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "document", "status", "words"),
    [
        ("/embed", {"inputs": []}, 422, "'inputs' must be"),
        ("/embed", {"inputs": "x", "normalize": False}, 422, "'normalize': false is not supported"),
        ("/embed", {"inputs": "x", "prompt_name": 1}, 422, "'prompt_name' must be"),
        ("/embed", {"inputs": "x", "prompt_name": "nope"}, 422, "prompt_name"),
        ("/embed", {"inputs": "x", "truncation_direction": "Left"}, 422, "'truncation_direction' must be"),
        ("/embed", {"inputs": "x", "colour": 1}, 422, "unknown key 'colour'"),
        ("/embed", {"inputs": "a " * 80}, 413, "1 texts are longer than the model's maximum"),
        ("/embed", {"model": "nope", "inputs": "x"}, 404, "there is no model 'nope'"),
        ("/predict", {"inputs": ["a", "b", "c"]}, 422, "'inputs' must be a text, a pair"),
        ("/predict", {"inputs": 5}, 422, "'inputs' must be"),
        ("/predict", {"model": "tiny", "inputs": "x"}, 422, "model 'tiny' does not support classification"),
        ("/rerank", {"query": 1, "texts": ["a"]}, 422, "'query' must be a string"),
        ("/rerank", {"query": "q", "texts": [1]}, 422, "'texts' must be"),
    ],
)
def test_mistakes_have_the_shape_of_text_embeddings_inference(
    client: httpx2.Client, path: str, document: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(path, json=document)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert answer.json()["error_type"] == "Validation"
    assert client.post(path, json={**document, "truncate": True}).status_code == (200 if status == 413 else status)


def test_limits(tmp_path: Any) -> None:
    folder = tiny_checkpoint(tmp_path / "a")
    with (
        running_server(f"a={folder}", max_texts=2, max_tokens=6) as running,
        httpx2.Client(base_url=running.url) as client,
    ):
        for given, words in (
            (["a", "b", "c"], "'input' has 3 texts; at most 2 are allowed"),
            ([[2, 3, 4, 5], [3]], "'input' has 2 times 4 token ids; at most 6 are allowed"),
            ([2] * 7, "'input' has 7 times 1 token ids"),
        ):
            told = client.post("/v1/embeddings", json={"model": "a", "input": given})
            assert (told.status_code, words in told.json()["error"]["message"]) == (400, True), told.text
        for fine in (["a", "b"], [[2, 3, 4], [3]], [2] * 6):
            assert client.post("/v1/embeddings", json={"model": "a", "input": fine}).status_code == 200


def test_a_request_that_names_no_model_needs_a_single_one(tmp_path: Any) -> None:
    folder = tiny_checkpoint(tmp_path / "a")
    with running_server(f"a={folder}", f"b={folder}") as running, httpx2.Client(base_url=running.url) as client:
        several = client.post("/embed", json={"inputs": "x"})
        assert "name one with 'model': a, b" in several.json()["error"]
        assert client.post("/embed", json={"inputs": "x", "model": "a"}).status_code == 200
        assert "no such model is served" in client.post("/predict", json={"inputs": "x"}).json()["error"]
