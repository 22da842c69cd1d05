"""Branches with a slash in their name: `org/name@feature/x` may be a branch or a folder in a branch; the Hub knows."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository import read_lock
from naiad.repository.reference import HubReference
from naiad.testing import LocalHub

Files = dict[str, bytes]


@pytest.mark.parametrize(
    ("revision", "subfolder", "readings"),
    [
        ("", "", [("", "")]),
        ("", "a/b", [("", "a/b")]),
        ("main", "", [("main", "")]),
        ("a", "b", [("a", "b"), ("a/b", "")]),
        ("a", "b/c", [("a", "b/c"), ("a/b", "c"), ("a/b/c", "")]),
        ("a/b", "c", [("a/b", "c"), ("a/b/c", "")]),
    ],
)
def test_what_may_be_meant(revision: str, subfolder: str, readings: list[tuple[str, str]]) -> None:
    found = HubReference("org/name", revision, subfolder).readings()
    assert [(one.revision, one.subfolder) for one in found] == readings


@pytest.mark.parametrize("branch", ["feature/new-tokenizer", "a/b/c", "dependabot/pip/torch-2.9"])
def test_a_branch_with_slashes(hub: LocalHub, pull: Any, checkpoint: Files, branch: str) -> None:
    hub.add("org/name", {**checkpoint, "model.safetensors": b"on main"})
    commit = hub.add("org/name", checkpoint, branch=branch)
    fetched = pull(f"org/name@{branch}")
    assert fetched.commit == commit
    assert (fetched.folder / "model.safetensors").read_bytes() == checkpoint["model.safetensors"]
    assert any(f"'{branch}' is a branch of org/name" in note for note in pull.progress.notes)
    (locked,) = read_lock(pull.lock).values()
    assert locked.reference == f"hf://org/name@{branch.replace('/', '%2F')}"


def test_the_next_start_asks_nobody(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint, branch="feature/x")
    first, asked = pull("org/name@feature/x"), hub.count()
    with hub.refused_connections():
        again = pull("org/name@feature/x")
    assert (again.folder, hub.count()) == (first.folder, asked)


def test_a_folder_in_such_a_branch(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    commit = hub.add("org/name", {f"small/{path}": content for path, content in checkpoint.items()}, branch="feature/x")
    fetched = pull("org/name@feature/x/small")
    assert fetched.commit == commit
    assert fetched.folder.name == "small"
    assert (fetched.folder / "config.json").is_file()


def test_a_folder_in_a_plain_branch_stays_what_it_is(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", {f"x/{path}": content for path, content in checkpoint.items()}, branch="feature")
    assert pull("org/name@feature/x").folder.name == "x"


def test_without_the_hub_what_the_cache_has(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    commit = hub.add("org/name", checkpoint, branch="feature/x")
    pull("org/name@feature/x")
    pull.lock.unlink()
    with hub.refused_connections():
        assert pull("org/name@feature/x").commit == commit


def test_no_such_branch_names_what_was_looked_for(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    with pytest.raises(NotFound, match="org/name has no branch, tag or commit 'nope', 'nope/x'"):
        pull("org/name@nope/x")
    with pytest.raises(NotFound, match="there is no org/name@nope"):
        pull("org/name@nope")


@pytest.mark.parametrize("endpoint", ["hf-mirror.example", "hf-mirror.example:8080/x", "ftp://mirror", "https://", " "])
def test_an_endpoint_that_is_no_web_address_is_refused_at_once(pull: Any, hub: LocalHub, endpoint: str) -> None:
    with pytest.raises(InvalidConfiguration, match="HF_ENDPOINT is '") as caught:
        pull("org/name", endpoint=endpoint)
    assert ("did you mean https://hf-mirror.example" in caught.value.message) == endpoint.startswith("hf-mirror")
    assert hub.count() == 0
