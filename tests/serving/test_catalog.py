"""Which model a request means, and what is said of those that cannot answer."""

from __future__ import annotations

import pytest

from naiad.core.errors import InvalidRequest, NaiadError, NotFound, NotReady
from naiad.core.model_config import ModelConfig
from naiad.serving.catalog import Catalog
from naiad.serving.states import TRANSITIONS, State
from naiad.serving.tensor_model import TensorModel


def model(name: str, version: str) -> TensorModel:
    return TensorModel(ModelConfig(name), version, [])


def catalog() -> Catalog:
    subject = Catalog()
    for version in ("2", "10", "3"):
        subject.announce("a", version)
        subject.add(model("a", version))
    subject.announce("broken", "1")
    subject.fail("broken", "1", "bad file")
    subject.announce("loading")
    return subject


@pytest.mark.parametrize(("asked", "found"), [("", "10"), ("-1", "10"), ("3", "3"), ("2", "2")])
def test_the_highest_version_unless_one_is_named(asked: str, found: str) -> None:
    assert catalog().find("a", asked).version == found


@pytest.mark.parametrize(
    ("name", "version", "error", "message"),
    [
        ("nope", "", NotFound, "Request for unknown model: 'nope' is not found"),
        ("nope", "1", NotFound, "Request for unknown model: 'nope' is not found"),
        ("a", "7", NotFound, "Request for unknown model: 'a' version 7 is not found"),
        ("broken", "", NotReady, "Request for unknown model: 'broken' has no available versions: bad file"),
        ("broken", "1", NotReady, "Request for unknown model: 'broken' version 1 is not at ready state"),
        ("loading", "", NotReady, "Request for unknown model: 'loading' has no available versions"),
        ("a", "x", InvalidRequest, "failed to get model version from specified version string 'x'"),
        ("a", "-2", InvalidRequest, "invalid model version specified '-2'"),
    ],
)
def test_what_cannot_answer(name: str, version: str, error: type[NaiadError], message: str) -> None:
    with pytest.raises(error) as caught:
        catalog().find(name, version)
    assert caught.value.message.startswith(message)


def test_index_and_readiness() -> None:
    subject = catalog()
    rows = subject.index()
    assert {"name": "broken", "version": "1", "state": "UNAVAILABLE", "reason": "bad file"} in rows
    assert {"name": "loading", "state": "LOADING"} in rows
    assert {row["name"] for row in subject.index(only_ready=True)} == {"a"}
    assert not subject.is_ready
    assert subject.ready_versions("a") == ["2", "3", "10"]


def test_a_newer_version_takes_over_at_once() -> None:
    subject = catalog()
    assert subject.find("a").version == "10"
    subject.announce("a", "11")
    assert subject.find("a").version == "10"
    subject.add(model("a", "11"))
    assert subject.find("a").version == "11"


def test_every_state_can_be_left_and_only_known_steps_are_made() -> None:
    assert set(TRANSITIONS) == set(State)
    assert all(following for following in TRANSITIONS.values())
    entry = Catalog().announce("x")
    with pytest.raises(AssertionError, match="LOADING -> UNLOADING"):
        entry.move(State.UNLOADING)
