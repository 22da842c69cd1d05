"""`naiad infer` against our own server, with a real model behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from naiad.cli.main import group
from naiad.core import errors
from naiad.testing import RunningServer, running_server, tiny_checkpoint


def infer(*arguments: str) -> Any:
    return CliRunner().invoke(group, ["infer", *arguments])


@pytest.mark.weights
def test_infer_prints_a_short_answer(live_server: RunningServer) -> None:
    done = infer("all-MiniLM-L6-v2", "--text", "hello world", "--url", live_server.address)
    assert done.exit_code == 0
    assert "embedding" in done.output
    assert "[384]" in done.output


@pytest.mark.weights
def test_infer_prints_the_whole_answer_as_json(live_server: RunningServer) -> None:
    done = infer("all-MiniLM-L6-v2", "--text", "a", "--text", "b", "--json", "--url", live_server.url)
    answer = orjson.loads(done.output)
    assert (answer["model_name"], np.shape(answer["outputs"]["embedding"])) == ("all-MiniLM-L6-v2", (2, 384))


@pytest.mark.weights
def test_infer_takes_any_input(live_server: RunningServer) -> None:
    row = str(list(range(16)))
    done = infer(
        "simple", "--input", f"INPUT0={row}", "--input", f"INPUT1={row}", "--json", "--url", live_server.address
    )
    assert orjson.loads(done.output)["outputs"]["OUTPUT0"] == list(range(0, 32, 2))
    shown = infer("simple", "--input", f"INPUT0={row}", "--input", f"INPUT1={row}", "--url", live_server.address)
    assert [line.split()[1:4:2] for line in shown.output.splitlines()[4:6]] == [["0", "0"], ["2", "0"]]


@pytest.mark.parametrize(
    ("asked", "end"), [("movies", "; did you mean 'movie'?"), ("xyz", "; the server has movie, movie.tensors, river")]
)
def test_infer_of_a_model_that_there_is_not_names_those_that_there_are(tmp_path: Path, asked: str, end: str) -> None:
    """One that failed to load is among them; asked for, it says so itself."""
    folder = tiny_checkpoint(tmp_path / "movie")
    (tmp_path / "river").mkdir()
    with running_server(str(folder), f"river={tmp_path / 'river'}") as running:
        done = infer(asked, "--text", "hello", "--url", running.address)
    assert isinstance(done.exception, errors.NotFound)
    assert done.exception.message.endswith(end)


def test_infer_prints_a_ranking_best_first(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "ranker", head="sequence-classification", labels=("relevant",))
    texts = ["hello world", "a good movie", "the river"]
    asked = ["ranker", "--text", "movie", "--input", f"documents={json.dumps(texts)}"]
    with running_server(str(folder)) as running:
        scores = orjson.loads(infer(*asked, "--json", "--url", running.address).output)["outputs"]["score"]
        done = infer(*asked, "--parameter", "top_k=2", "--url", running.address)
    order = sorted(range(3), key=lambda at: -scores[at])[:2]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.output.splitlines() if line[:1] == "│"]
    assert rows == [[str(rank), str(at), f"{scores[at]:.5g}", texts[at]] for rank, at in enumerate(order, 1)]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope", "--text", "x"], "unknown model: 'nope'"),
        (["all-MiniLM-L6-v2"], "needs inputs: text (BYTES); give --text"),
        (["simple", "--text", "x"], "takes no text; its inputs are INPUT0 (INT32), INPUT1 (INT32)"),
        (["simple", "--input", "INPUT9=1"], "no input 'INPUT9'"),
        (["all-MiniLM-L6-v2", "--text", "x", "--parameter", "promptname=q"], "did you mean 'prompt_name'?"),
    ],
)
def test_infer_says_what_is_wrong(live_server: RunningServer, arguments: list[str], words: str) -> None:
    done = infer(*arguments, "--url", live_server.address)
    assert isinstance(done.exception, errors.NaiadError)
    assert words in done.exception.message


@pytest.mark.parametrize("pair", ["text", "=x"])
def test_infer_refuses_a_pair_that_is_none(pair: str) -> None:
    done = infer("m", "--input", pair)
    assert (done.exit_code, "is not NAME=VALUE" in done.output) == (2, True)
