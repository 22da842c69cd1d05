"""Ensembles that naiad.yaml or a program declares, over models of a repository, of texts and of functions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naiad
from naiad.errors import AlreadyExists, InvalidConfiguration, InvalidRequest, LoadFailed, NotReady
from naiad.testing import tiny_checkpoint

IDENTITY = """
backend: "identity"
input { name: "X" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "Y" data_type: TYPE_FP32 dims: [ 2 ] }
"""
YAML = """
models:
  - source: ./models
  - {source: ./text, name: tiny}
  - {source: ./class, name: judge}
ensembles:
  - name: search
    steps:
      - {model: tiny, inputs: {text: query}, outputs: {embedding: vector}}
      - model: judge
        when: {parameter: judged, equals: true}
        inputs: {text: query}
        outputs: {label: verdict}
      - {model: pool, inputs: {X: numbers}, outputs: {Y: pooled}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "models" / "pool" / "1").mkdir(parents=True)
    (folder / "models" / "pool" / "config.pbtxt").write_text(IDENTITY)
    tiny_checkpoint(folder / "text")
    tiny_checkpoint(folder / "class", head="sequence-classification")
    (folder / "naiad.yaml").write_text(YAML)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[naiad.Server]:
    with naiad.Server(manifest=folder / "naiad.yaml") as server:
        yield server


def test_inputs_and_outputs_follow_from_the_models(server: naiad.Server) -> None:
    config = server.model_config("search")
    assert [(one["name"], one["data_type"], one["dims"]) for one in config["input"]] == [
        ("query", "TYPE_STRING", [-1]),
        ("numbers", "TYPE_FP32", [2]),
    ]
    assert [(one["name"], one["dims"]) for one in config["output"]] == [
        ("vector", [-1, 32]),
        ("verdict", [-1]),
        ("pooled", [2]),
    ]
    assert config["parameters"] == {"when.1": {"string_value": "parameter judged equals true"}}
    assert (config["platform"], config["max_batch_size"]) == ("ensemble", 0)


def ask(server: naiad.Server, **more: Any) -> Any:
    return server.infer("search", {"query": ["hello", "world"], "numbers": np.array([1, 2], np.float32)}, **more)


def test_text_models_are_steps_like_others(server: naiad.Server) -> None:
    result = ask(server, parameters={"judged": True})
    alone = server.infer("tiny", {"text": ["hello", "world"]})
    assert np.allclose(result["vector"], alone["embedding"], atol=1e-6)
    assert result["pooled"].tolist() == [1.0, 2.0]
    assert list(result["verdict"]) == list(server.infer("judge", {"text": ["hello", "world"]})["label"])


def test_what_a_condition_keeps_from_being_made_is_left_out_or_an_error_if_it_is_asked_for(
    server: naiad.Server,
) -> None:
    assert "verdict" not in dict(ask(server))
    with pytest.raises(InvalidRequest) as caught:
        ask(server, outputs=["vector", "verdict"])
    assert caught.value.message == (
        "in ensemble 'search', [request id: <id_unknown>] output 'verdict' was not made, because step 1, model "
        "'judge', runs only when parameter judged equals true"
    )
    with pytest.raises(InvalidRequest, match="parameter 'judged' is \"yes\", which cannot be compared with true"):
        ask(server, parameters={"judged": "yes"})


def double(X: Any) -> Any:  # noqa: N803 - the name of the model's input
    return {"Y": X * 2}


def test_a_program_declares_an_ensemble_over_its_functions() -> None:
    from naiad.functions import Tensor, batch

    server = naiad.Server()
    server.bind("double", batch(double), [Tensor((-1,), np.float32, "X")], [Tensor((-1,), np.float32, "Y")])
    server.ensemble(
        "four",
        [naiad.Step("double", {"X": "a"}, {"Y": "t"}), naiad.Step("double", {"X": "t"}, {"Y": "b"})],
    )
    with pytest.raises(AlreadyExists, match="there is a model 'four' already"):
        server.ensemble("four", [naiad.Step("double", {"X": "a"}, {"Y": "b"})])
    with server:
        assert server.infer("four", {"a": np.array([[1.0], [2.0]], np.float32)})["b"].tolist() == [[4.0], [8.0]]
        with pytest.raises(NotReady, match="declare ensembles before that"):
            server.ensemble("late", [naiad.Step("double", {"X": "a"}, {"Y": "b"})])


def test_the_asynchronous_twin(folder: Path) -> None:
    async def run() -> Any:
        server = naiad.AsyncServer([folder / "models"])
        when = naiad.When(parameter="twice", equals=True)
        server.ensemble(
            "e", [naiad.Step("pool", {"X": "a"}, {"Y": "b"}), naiad.Step("pool", {"X": "b"}, {"Y": "c"}, when=when)]
        )
        async with server:
            asked = {"a": np.array([1, 2], np.float32)}
            first = await server.infer("e", asked, parameters={"twice": True})
            with pytest.raises(InvalidRequest, match="output 'c' was not made, because step 1, model 'pool'"):
                await server.infer("e", asked)
            return dict(first)

    assert asyncio.run(run())["c"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([naiad.Step("nope", {"X": "a"}, {"Y": "b"})], "contains models that are not available or ambiguous: nope"),
        ([naiad.Step("pool", {"Z": "a"}, {"Y": "b"})], "ensemble tensor a is mapping to non-existing input Z"),
    ],
)
def test_one_that_cannot_be_made_fails_the_start(folder: Path, steps: list[naiad.Step], words: str) -> None:
    server = naiad.Server([folder / "models"])
    server.ensemble("e", steps)
    with pytest.raises(LoadFailed, match=words):
        server.start()


def test_steps_that_make_no_sense_are_refused_at_once() -> None:
    server = naiad.Server()
    with pytest.raises(InvalidConfiguration, match="ensemble 'e' needs at least one step"):
        server.ensemble("e", [])
    with pytest.raises(InvalidConfiguration, match="step 0 needs outputs"):
        server.ensemble("e", [naiad.Step("m", {"x": "a"})])
