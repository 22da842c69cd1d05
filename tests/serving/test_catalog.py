"""Which model a request means, and what is said of those that cannot answer."""

from __future__ import annotations

import pytest

from naiad.core.contracts import Instances
from naiad.core.errors import InvalidRequest, NaiadError, NotFound, NotReady
from naiad.core.model.config import ModelConfig
from naiad.serving.catalog import Catalog, Entry
from naiad.serving.states import TRANSITIONS, VersionState
from naiad.serving.tensor_model import TensorModel


def model(name: str, version: str) -> TensorModel:
    return TensorModel(ModelConfig(name), version, Instances(()))


def catalog() -> Catalog:
    subject = Catalog()
    for version in ("2", "10", "3"):
        subject.begin("a", version)
        subject.add(model("a", version))
    subject.begin("broken", "1")
    subject.fail("broken", "1", "bad file")
    subject.begin("loading")
    return subject


def states(subject: Catalog, name: str) -> dict[str, str]:
    """Version → state, with the reason behind it."""
    return {
        row.get("version", ""): " ".join(filter(None, (row["state"], row.get("reason"))))
        for row in subject.index()
        if row["name"] == name
    }


@pytest.mark.parametrize(("asked", "found"), [("", "10"), ("-1", "10"), ("3", "3"), ("2", "2")])
def test_the_highest_version_unless_one_is_named(asked: str, found: str) -> None:
    assert catalog().find("a", asked).version == found


@pytest.mark.parametrize(
    ("name", "version", "error", "message"),
    [
        ("nope", "", NotFound, "Request for unknown model: 'nope' is not found"),
        ("nope", "1", NotFound, "Request for unknown model: 'nope' is not found"),
        ("a", "7", NotFound, "Request for unknown model: 'a' version 7 is not found"),
        ("broken", "", NotFound, "Request for unknown model: 'broken' has no available versions: bad file"),
        ("broken", "1", NotReady, "Request for unknown model: 'broken' version 1 is not at ready state"),
        ("loading", "", NotReady, "model 'loading' is being loaded; try again"),
        ("loading", "1", NotReady, "model 'loading' is being loaded; try again"),
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
    assert [row["version"] for row in rows if row["name"] == "a"] == ["2", "3", "10"]
    assert not subject.is_ready
    assert subject.ready_versions("a") == ["2", "3", "10"]


def test_what_is_not_known_yet_is_not_unknown() -> None:
    subject = Catalog()
    subject.is_complete = False
    assert (subject.is_ready, subject.is_loading) == (False, True)
    with pytest.raises(NotReady, match="model 'a' is not known yet, because the server is starting; try again"):
        subject.find("a", "1")
    subject.is_complete = True
    assert (subject.is_ready, subject.is_loading) == (True, False)
    with pytest.raises(NotFound):
        subject.find("a", "1")


def test_nothing_to_serve_is_not_ready_unless_it_may_be_so() -> None:
    subject = Catalog()
    assert subject.is_ready
    subject.may_be_empty = False
    assert not subject.is_ready
    subject.add(model("a", "1"))
    assert subject.is_ready


def test_a_newer_version_takes_over_at_once() -> None:
    subject = catalog()
    assert subject.find("a").version == "10"
    subject.begin("a", "11")
    assert subject.find("a").version == "10"
    subject.add(model("a", "11"))
    assert subject.find("a").version == "11"


def test_a_swap_is_one_step_and_the_old_versions_leave() -> None:
    subject = Catalog()
    old = [model("a", "1"), model("a", "2")]
    subject.swap((), old)
    new = [model("a", "2"), model("a", "3")]
    subject.begin("a", "3")
    subject.swap(old, new)
    assert subject.find("a") is new[1]
    assert subject.find("a", "2") is new[0]
    assert states(subject, "a") == {"1": "UNLOADING", "2": "READY", "3": "READY"}
    with pytest.raises(NotReady, match="version 1 is not at ready state"):
        subject.find("a", "1")
    for each in old:
        subject.released(each)
    assert states(subject, "a") == {"1": "UNAVAILABLE unloaded", "2": "READY", "3": "READY"}
    assert subject.is_ready


def test_unloaded_models_are_no_reason_not_to_be_ready() -> None:
    subject = Catalog()
    one = model("a", "1")
    subject.add(one)
    subject.retire([one])
    assert states(subject, "a") == {"1": "UNLOADING"}
    assert subject.is_ready
    with pytest.raises(NotFound, match=r"'a' has no available versions$"):
        subject.find("a")
    subject.released(one)
    assert states(subject, "a") == {"1": "UNAVAILABLE unloaded"}
    assert subject.is_ready
    assert subject.knows("a")


def test_loaded_again_while_the_old_one_drains() -> None:
    subject = Catalog()
    old, new = model("a", "1"), model("a", "1")
    subject.add(old)
    subject.retire([old])
    subject.begin("a", "1")
    subject.released(old)
    assert states(subject, "a") == {"1": "LOADING"}
    subject.add(new)
    assert subject.find("a") is new


def test_a_failed_reload_leaves_what_serves() -> None:
    subject = Catalog()
    subject.add(model("a", "1"))
    subject.begin("a", "1")
    subject.fail("a", "1", "bad file")
    subject.fail("a", "", "bad config")
    subject.fail("a", "2", "bad file")
    assert states(subject, "a") == {"1": "READY", "2": "UNAVAILABLE bad file"}
    assert not subject.is_ready
    subject.dismiss("a")
    assert states(subject, "a") == {"1": "READY", "2": "UNAVAILABLE unloaded"}


def test_what_is_not_known_yet_gives_way_to_versions() -> None:
    subject = Catalog()
    subject.begin("a")
    assert states(subject, "a") == {"": "LOADING"}
    subject.begin("a", "1")
    subject.begin("a")
    assert states(subject, "a") == {"1": "LOADING"}
    subject.begin("repository")
    subject.settle("repository")
    assert not subject.knows("repository")


def test_every_state_can_be_left_and_only_known_steps_are_made() -> None:
    assert set(TRANSITIONS) == set(VersionState)
    assert all(following for following in TRANSITIONS.values())
    entry = Entry("x", "1", VersionState.LOADING)
    with pytest.raises(AssertionError, match="LOADING -> UNLOADING"):
        entry.move(VersionState.UNLOADING)
