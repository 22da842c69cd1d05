"""`naiad infer` against our own server, with a real model behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from naiad.cli.main import group
from naiad.core import errors
from naiad.testing import RunningServer

pytestmark = pytest.mark.weights


def infer(*arguments: str) -> Any:
    return CliRunner().invoke(group, ["infer", *arguments])


def test_infer_prints_a_short_answer(live_server: RunningServer) -> None:
    done = infer("all-MiniLM-L6-v2", "--text", "hello world", "--url", live_server.address)
    assert done.exit_code == 0
    assert "embedding" in done.output
    assert "[384]" in done.output


def test_infer_prints_the_whole_answer_as_json(live_server: RunningServer) -> None:
    done = infer("all-MiniLM-L6-v2", "--text", "a", "--text", "b", "--json", "--url", live_server.url)
    answer = orjson.loads(done.output)
    assert (answer["model_name"], np.shape(answer["outputs"]["embedding"])) == ("all-MiniLM-L6-v2", (2, 384))


def test_infer_takes_any_input(live_server: RunningServer) -> None:
    row = str(list(range(16)))
    done = infer(
        "simple", "--input", f"INPUT0={row}", "--input", f"INPUT1={row}", "--json", "--url", live_server.address
    )
    assert orjson.loads(done.output)["outputs"]["OUTPUT0"] == list(range(0, 32, 2))
    shown = infer("simple", "--input", f"INPUT0={row}", "--input", f"INPUT1={row}", "--url", live_server.address)
    assert [line.split()[1:4:2] for line in shown.output.splitlines()[4:6]] == [["0", "0"], ["2", "0"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope", "--text", "x"], "unknown model: 'nope'"),
        (["all-MiniLM-L6-v2"], "needs inputs: text (BYTES); give --text"),
        (["simple", "--text", "x"], "takes no text; its inputs are INPUT0 (INT32), INPUT1 (INT32)"),
        (["simple", "--input", "INPUT9=1"], "no input 'INPUT9'"),
        (["all-MiniLM-L6-v2", "--text", "x", "--parameter", "colour=red"], "no parameter 'colour'"),
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
