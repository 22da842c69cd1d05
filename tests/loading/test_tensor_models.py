"""What a backend is asked for when a Triton model is loaded, and how many sessions that makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from control_fixture import Put

from naiad.backends.onnxruntime import loaded
from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.core.config import ModelSettings
from naiad.core.contracts import Instances, LoadRequest
from naiad.loading.tensor_models import plan_triton_model
from naiad.repository import recognise


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LoadRequest, Instances[Any], list[Path]]:
    """What the backend was asked for and gave, and the files that were opened."""
    asked: list[LoadRequest] = []
    given: list[Instances[Any]] = []
    opened: list[Path] = []
    load_model, open_session = OnnxRuntimeBackend.load, loaded.open_session

    def noted(backend: OnnxRuntimeBackend, request: LoadRequest) -> Instances[Any]:
        asked.append(request)
        given.append(load_model(backend, request))
        return given[0]

    def count(path: Path, **options: Any) -> Any:
        opened.append(path)
        return open_session(path, **options)

    monkeypatch.setattr(OnnxRuntimeBackend, "load", noted)
    monkeypatch.setattr(loaded, "open_session", count)
    _, ((_, load_version),) = plan_triton_model(recognise(folder.parent).models[0], ModelSettings())
    load_version()
    given[0].close()
    return asked[0], given[0], opened


def test_who_wants_one_instance_gets_one(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, given, opened = load(put("m", more="instance_group [ { count: 1 } ]"), monkeypatch)
    assert (asked.names, asked.threads, asked.wide_threads) == (("m_0_0",), 1, 1)
    assert (len(given.narrow), given.wide, len(opened)) == (1, None, 1)


def test_who_does_not_say_how_many_may_get_a_wide_one_too(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """This model is too light for one."""
    asked, given, opened = load(put("m"), monkeypatch)
    assert (asked.names, asked.wide_threads) == (("m_0", "m_1"), 0)
    assert (len(given.narrow), given.wide, len(opened)) == (2, None, 1)


def test_groups_name_their_instances(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = 'instance_group [ { name: "a" count: 2 }, { name: "b" count: 1 passive: true }, { name: "c" } ]'
    asked, _, _ = load(put("m", more=groups), monkeypatch)
    assert asked.names == ("a_0", "a_1", "c_0", "c_1")
