"""The same loads and unloads at NVIDIA's own server and at ours, where `make test-triton` has set it up.

Statuses and words are equal; ours may say more after the words of APPENDED.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from both_repositories import Write, writer_for_naiad, writer_for_triton

from naiad.proto.pool import message_class
from naiad.testing import running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ROOT = Path(__file__).parents[2]
SERVICE = "/inference.GRPCInferenceService/"

INDEX = ("index", {})
Case = tuple[str, dict[str, Any]]
CASES: list[Case] = [
    INDEX,
    ("load", {"model": "nope"}),
    ("load", {"model": "broken"}),
    ("load", {"model": "misnamed"}),
    ("load", {"model": "twice"}),
    INDEX,
    ("load", {"model": "many"}),
    INDEX,
    ("load", {"model": "a", "config": "{"}),
    ("load", {"model": "a", "config": '{"max_batch_size": -1}'}),
    ("load", {"model": "a", "config": '{"no_such_field": 1}'}),
    ("load", {"model": "a", "config": '{"name": "other"}'}),
    ("load", {"model": "a", "config": "{}", "file": "../../x"}),
    ("load", {"model": "a", "file": "1/model"}),
    ("load", {"model": "a", "unknown": "x"}),
    ("load", {"model": "a", "repository": "somewhere"}),
    ("unload", {"model": "a", "repository": "somewhere"}),
    INDEX,
    ("load", {"model": "a"}),
    ("unload", {"model": "many"}),
    ("unload", {"model": "nope"}),
    ("unload", {"model": "a", "unload_dependents": True}),
    ("load", {"model": "empty"}),
]

DIFFERENT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "A model name that is empty or leaves the repository is INVALID_ARGUMENT.": ("grpc", "load", {"model": ".."}),
    "Files that can run code are not accepted over the network without": (
        "grpc",
        "load",
        {"model": "code", "config": '{"backend": "python"}', "file": "1/model.py"},
    ),
    "The index of ready models lists only ready ones.": ("grpc", "index", {"ready": True}),
    "A wrong body in an unload request over HTTP is an error.": (
        "http",
        "unload",
        {"model": "a", "unload_dependents": "x"},
    ),
}
"""Calls that are answered otherwise here, and the sentence of the page that says so."""

APPENDED = ("at least one version must be available under the version policy of model 'empty'",)
"""Where ours says more after the same words."""


def repositories(folder: Path, write: Write) -> list[str]:
    one, two = folder / "one", folder / "two"
    write(one, "a", 1)
    write(one, "many", 1, 2, 3, more="version_policy { latest { num_versions: 2 } }")
    write(one, "twice", 1)
    write(two, "twice", 1)
    write(one, "empty")
    write(one, "half", 1, 2, more="version_policy { all { } }", bad=1)
    write(one, "wrong", 1)
    (one / "wrong").rename(one / "misnamed")
    write(one, "broken", 1)
    (one / "broken" / "config.pbtxt").write_text('name: "bro')
    return [str(one), str(two)]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[int, int]]:
    """Ports of the real server."""
    folder = tmp_path_factory.mktemp("triton")
    one, two = repositories(folder, writer_for_triton())
    options = (f"--model-repository={two}", "--model-control-mode=explicit", "--load-model=a")
    with real_triton(one, folder / "log", options) as server:
        yield server.http[1], int(server.grpc.rpartition(":")[2])


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of our server with models of the same names."""
    yield from running_naiad(tmp_path_factory.mktemp("naiad"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of our server as `naiad triton` starts it."""
    yield from running_naiad(tmp_path_factory.mktemp("strict"), require_all_versions=True)


def running_naiad(folder: Path, **settings: Any) -> Iterator[tuple[int, int]]:
    sources = repositories(folder, writer_for_naiad())
    with running_server(*sources, model_control_mode="explicit", load_model=("a",), **settings) as server:
        yield server.server.http_port, server.server.grpc_port


def ask_http(port: int, action: str, case: dict[str, Any]) -> Any:
    model, repository = case.get("model", ""), case.get("repository", "")
    path = "/v2/repository" + f"/{repository}" * bool(repository)
    path += "/index" if action == "index" else f"/models/{model}/{action}"
    parameters = {key: value for key, value in case.items() if key not in ("model", "repository", "file")}
    if "file" in case:
        parameters[f"file:{case['file']}"] = "eA=="
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, json.dumps({"parameters": parameters}))
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body or b"null")


def ask_grpc(port: int, action: str, case: dict[str, Any]) -> Any:
    method = "RepositoryIndex" if action == "index" else f"RepositoryModel{action.capitalize()}"
    request = message_class(f"{method}Request")()
    if action != "index":
        request.model_name = case["model"]
        for key, value in case.items():
            if key == "file":
                request.parameters[f"file:{value}"].bytes_param = b"x"
            elif key not in ("model", "repository"):
                kind = "bool_param" if isinstance(value, bool) else "string_param"
                setattr(request.parameters[key], kind, value)
    elif "ready" in case:
        request.ready = case["ready"]
    request.repository_name = case.get("repository", "")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            SERVICE + method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class(f"{method}Response").FromString,
        )
        try:
            answer = call(request, timeout=60)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        if action != "index":
            return "OK"
        return [{key: getattr(row, key) for key in ("name", "version", "state", "reason")} for row in answer.models]


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_the_same_story_at_both_servers(triton: tuple[int, int], ours: tuple[int, int], door: str) -> None:
    ask, at = (ask_http, 0) if door == "http" else (ask_grpc, 1)
    with ExitStack() as left:
        for port in (triton[at], ours[at]):  # as the other door's story found it
            left.callback(ask, port, "load", {"model": "a"})
        for action, case in CASES:
            theirs, mine = ask(triton[at], action, case), ask(ours[at], action, case)
            assert shortened(mine) == shortened(theirs), (action, case)


def shortened(answer: Any) -> Any:
    """An answer as far as it has to be equal: what was unloaded before may differ in how far it has got."""
    if isinstance(answer, tuple) and isinstance(answer[1], list):
        return answer[0], shortened(answer[1])
    if isinstance(answer, list):
        gone = ("UNLOADING", "UNAVAILABLE")
        return [
            {**row, "state": "GONE", "reason": ""}
            if row.get("state") in gone and row.get("reason", "") in ("", "unloaded")
            else row
            for row in answer
            if row["name"] != "empty"  # theirs is not in their index any more once it could not be loaded
        ]
    text = json.dumps(answer)
    for words in APPENDED:
        if words in text:
            text = text[: text.index(words) + len(words)]
    return text


@pytest.mark.parametrize("sentence", DIFFERENT)
def test_answers_that_are_different(triton: tuple[int, int], ours: tuple[int, int], sentence: str) -> None:
    door, action, case = DIFFERENT[sentence]
    ask, at = (ask_http, 0) if door == "http" else (ask_grpc, 1)
    assert shortened(ask(ours[at], action, case)) != shortened(ask(triton[at], action, case))
    for port in (triton[at], ours[at]):
        ask(port, "load", {"model": "a"})


def test_versions_that_can_be_loaded_serve(
    triton: tuple[int, int], ours: tuple[int, int], strict: tuple[int, int]
) -> None:
    states = []
    for port in (triton[1], ours[1], strict[1]):
        assert ask_grpc(port, "load", {"model": "half"})[0] == "INVALID_ARGUMENT"
        states.append([row["state"] == "READY" for row in ask_grpc(port, "index", {}) if row["name"] == "half"])
        ask_grpc(port, "unload", {"model": "half"})
    assert states == [[False, False], [False, True], [False, False]]


def test_the_page_has_every_difference() -> None:
    page = " ".join((ROOT / "docs" / "reference" / "differences.md").read_text().split())
    assert [sentence for sentence in DIFFERENT if sentence not in page] == []
