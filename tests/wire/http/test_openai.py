"""OpenAI's routes, asked by the official client and by hand."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from naiad.repository import ModelEntry
from naiad.testing import RunningServer, running_server, tiny_checkpoint

MODELS = Path(__file__).parents[2] / "data" / "model_repository"

TEXTS = ["hello world", "a good movie in the city"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    embedder = tiny_checkpoint(folder / "tiny")
    short = tiny_checkpoint(folder / "short")
    (short / "config_sentence_transformers.json").write_text('{"truncate_dim": 6}')
    scaled = ModelEntry.from_source(f"scaled={embedder}", options={"truncate_dim": 5, "normalize": True})
    ranker = tiny_checkpoint(folder / "ranker", head="sequence-classification", labels=("relevant",))
    sources = (f"tiny={embedder}", f"short={short}", scaled, f"ranker={ranker}", str(MODELS / "simple"))
    with running_server(*sources) as running:
        assert running.all_loaded
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def post(server: RunningServer, path: str, document: Any) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, body), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(("model", "width"), [("short", 6), ("scaled", 5)])
def test_token_ids_are_answered_as_their_text_is(model: str, width: int, server: RunningServer, tmp_path: Path) -> None:
    """What is cut off, and scaled, for texts is so for ids."""
    entry = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello world"]}]}
    expected = post(server, f"/v2/models/{model}/infer", entry)[1]["outputs"][0]["data"]
    assert len(expected) == width
    words = (tiny_checkpoint(tmp_path / "m") / "vocab.txt").read_text().split()
    ids = [words.index(word) for word in ("[CLS]", "hello", "world", "[SEP]")]
    for value in ("hello world", ids, [ids]):
        data = post(server, "/v1/embeddings", {"model": model, "input": value})[1]["data"]
        np.testing.assert_allclose(data[0]["embedding"], expected, rtol=1e-5)
    shorter = post(server, "/v1/embeddings", {"model": model, "input": ids, "dimensions": 3})[1]["data"]
    of_text = post(server, "/v1/embeddings", {"model": model, "input": "hello world", "dimensions": 3})[1]["data"]
    np.testing.assert_allclose(shorter[0]["embedding"], of_text[0]["embedding"], rtol=1e-5)


def test_models(client: openai.OpenAI) -> None:
    assert {"tiny", "ranker"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("tiny").owned_by == "naiad"
    with pytest.raises(openai.NotFoundError, match="there is no model 'nope'") as caught:
        client.models.retrieve("nope")
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )


def test_a_key_is_taken_and_not_looked_at(server: RunningServer) -> None:
    for key in ("sk-whatever", ""):
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key or "x", max_retries=0) as client:
            assert client.embeddings.create(model="tiny", input="hi", user="me").data[0].index == 0


async def test_the_asyncio_client(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        several = await asyncio.gather(*(client.embeddings.create(model="tiny", input=text) for text in TEXTS))
        assert [len(one.data[0].embedding) for one in several] == [32, 32]
        raw = await client.embeddings.with_raw_response.create(model="tiny", input="a", encoding_format="base64")
        packed = json.loads(raw.content)["data"][0]["embedding"]
        assert len(base64.b64decode(packed)) == 32 * 4


def test_token_ids_compute_the_embedding_alone(server: RunningServer) -> None:
    """And not the hidden states of the raw-tensor view, which are far larger."""
    config = server.server.engine.catalog.find("tiny.tensors").config
    assert [tensor.name for tensor in config.outputs] == ["embedding", "last_hidden_state"]
    assert post(server, "/v1/embeddings", {"model": "tiny", "input": [2, 17, 3]})[1]["usage"]["total_tokens"] == 3


def test_embeddings_as_numbers_and_base64(client: openai.OpenAI) -> None:
    plain = client.embeddings.create(model="tiny", input=TEXTS, encoding_format="float")
    packed = client.embeddings.create(model="tiny", input=TEXTS)  # the client asks for base64 by itself
    assert [item.index for item in plain.data] == [0, 1]
    for first, second in zip(plain.data, packed.data, strict=True):
        assert np.allclose(first.embedding, second.embedding)
        assert np.isclose(np.linalg.norm(first.embedding), 1, atol=1e-5)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == 4 + 8


def test_one_text_by_the_hubs_name(client: openai.OpenAI) -> None:
    one = client.embeddings.create(model="org/tiny", input=TEXTS[0])
    two = client.embeddings.create(model="tiny", input=TEXTS)
    assert np.allclose(one.data[0].embedding, two.data[0].embedding, atol=1e-6)


def test_token_ids_instead_of_texts(client: openai.OpenAI) -> None:
    ids = [[2, 17, 18, 3], [2, 5, 3]]
    several = client.embeddings.create(model="tiny", input=ids)
    single = client.embeddings.create(model="tiny", input=ids[1])
    assert np.allclose(several.data[1].embedding, single.data[0].embedding, atol=1e-6)
    assert several.usage.total_tokens == 7


def test_fewer_dimensions_are_normalised_again(client: openai.OpenAI) -> None:
    short = client.embeddings.create(model="tiny", input=TEXTS[0], dimensions=8).data[0].embedding
    whole = client.embeddings.create(model="tiny", input=TEXTS[0]).data[0].embedding
    assert np.allclose(short, np.array(whole[:8]) / np.linalg.norm(whole[:8]), atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="'dimensions' is 999, but the vectors of model 'tiny' have 32"):
        client.embeddings.create(model="tiny", input="x", dimensions=999)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ({"input": "x"}, 400, "'model' must be the name of a model"),
        ({"model": "nope", "input": "x"}, 404, "there is no model 'nope'"),
        ({"model": "ranker", "input": "x"}, 400, "model 'ranker' does not support embeddings"),
        ({"model": "tiny"}, 400, "'input' must be"),
        ({"model": "tiny", "input": []}, 400, "'input' must be"),
        ({"model": "tiny", "input": ["a", 1]}, 400, "'input' must be"),
        ({"model": "tiny", "input": [[]]}, 400, "'input' must be"),
        ({"model": "tiny", "input": "x", "encoding_format": "hex"}, 400, "'encoding_format' must be"),
        ({"model": "tiny", "input": "x", "dimensions": -1}, 400, "'dimensions' must be"),
        ({"model": "tiny", "input": [10**9]}, 400, "1000000000"),
        ({"model": "tiny", "input": [10**30]}, 400, "'input' must be"),
        ({"model": "tiny", "input": [True]}, 400, "'input' must be"),
        ({"model": "tiny", "input": "x", "stream": True}, 400, "'stream' is not supported on this route"),
        ({"model": "tiny", "input": "x", "truncate_prompt_tokens": 3}, 400, "unknown key 'truncate_prompt_tokens'"),
        ({"model": "simple", "input": "x"}, 400, "model 'simple' does not support embeddings"),
        (b"{", 400, "failed to parse"),
    ],
)
def test_mistakes_have_openais_shape(server: RunningServer, document: Any, status: int, message: str) -> None:
    got, body = post(server, "/v1/embeddings", document)
    assert got == status
    assert message in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"


def test_rerank(server: RunningServer) -> None:
    documents = ["hello world", {"text": "a good movie"}, "the river"]
    asked = {"model": "ranker", "query": "movie", "documents": documents, "top_n": 2, "return_documents": True}
    status, body = post(server, "/v1/rerank", asked)
    assert status == 200
    first, second = body["results"]
    assert first["relevance_score"] >= second["relevance_score"]
    texts = ["hello world", "a good movie", "the river"]
    assert first["document"]["text"] == texts[first["index"]]
    assert body["usage"]["total_tokens"] > 0
    for path in ("/rerank", "/v2/rerank"):
        assert post(server, path, {"model": "ranker", "query": "movie", "documents": ["a"]})[0] == 200


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"model": "ranker", "documents": ["a"]}, "'query' must be a string"),
        ({"model": "ranker", "query": "q"}, "'documents' must be a list"),
        ({"model": "ranker", "query": "q", "documents": [1]}, "each of 'documents'"),
        ({"model": "ranker", "query": "q", "documents": ["a"], "top_n": "x"}, "'top_n' must be"),
        ({"model": "tiny", "query": "q", "documents": ["a"]}, "model 'tiny' does not support reranking"),
    ],
)
def test_rerank_mistakes(server: RunningServer, document: Any, message: str) -> None:
    status, body = post(server, "/v1/rerank", document)
    assert status == 400
    assert message in body["error"]["message"]
