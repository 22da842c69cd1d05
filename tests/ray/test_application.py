"""What the arguments of a configuration file become: options of a deployment that suit the models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.core.settings.config import ModelSettings
from naiad.ray.application import _capacity, app, deployment_options
from naiad.ray.capacity import UNKNOWN, Capacity, capacity_of
from naiad.repository import ModelEntry

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
CONFIG = """backend: "identity" max_batch_size: {rows}
input [ {{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }} ]
{more}"""


def model(folder: Path, name: str, rows: int, more: str = "") -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(CONFIG.format(rows=rows, more=more))


def at_once(*sources: str) -> int:
    return capacity_of(tuple(map(ModelEntry.from_source, sources)), ModelSettings()).at_once


@pytest.mark.parametrize(
    ("rows", "more", "expected"),
    [
        (0, "", 16),
        (8, "", 16),
        (32, "", 32),
        (32, "instance_group [ { count: 3 kind: KIND_CPU } ]", 96),
        (32, "instance_group [ { count: 1 kind: KIND_CPU }, { count: 2 kind: KIND_CPU } ]", 96),
    ],
)
def test_as_many_as_the_instances_take_in_their_batches(tmp_path: Path, rows: int, more: str, expected: int) -> None:
    model(tmp_path, "one", rows, more)
    assert at_once(str(tmp_path / "one")) == expected


def test_models_add_up_and_those_that_nobody_knows_yet_count_as_usual(tmp_path: Path) -> None:
    model(tmp_path, "one", 32)
    model(tmp_path, "two", 0)
    (tmp_path / "wrong" / "1").mkdir(parents=True)
    (tmp_path / "wrong" / "config.pbtxt").write_text("max_batch_size: many")
    assert at_once(str(tmp_path)) == 32 + 16 + UNKNOWN
    assert at_once("org/name", "pkg://no_such_module/model") == 2 * UNKNOWN
    assert at_once() == UNKNOWN


def test_sequences_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        at_once(str(REPOSITORY / "simple_sequence"))
    assert "'simple_sequence' keeps sequences, and Ray sends each request to any replica" in caplog.text


def test_a_deployment_scales_when_more_wait_than_run() -> None:
    options = deployment_options(Capacity(24), {"autoscaling_config": {"max_replicas": 4}})
    assert options["max_ongoing_requests"] == 48
    assert options["autoscaling_config"] == {"target_ongoing_requests": 24.0, "max_replicas": 4}


def test_what_is_given_goes_before_what_follows() -> None:
    given = {"name": "mine", "max_ongoing_requests": 3, "autoscaling_config": {"target_ongoing_requests": 1}}
    assert deployment_options(Capacity(24), given) == {**given, "graceful_shutdown_timeout_s": 60.0}
    assert deployment_options(Capacity(24), {"num_replicas": 2})["num_replicas"] == 2


def test_models_of_the_user_config_count(tmp_path: Path) -> None:
    model(tmp_path, "one", 32)
    assert _capacity({}, {}, {"models": [str(tmp_path / "one")]}) == Capacity(32)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            {"modles": []},
            "args: 'modles' is not known; use one of: models, manifest, lock, offline, options, deployment",
        ),
        ({"options": {"http_port": 1}}, "http_port has no effect"),
        ({"options": {"max_wating": 1}}, "options: there is no option max_wating"),
        ({"manifest": "/nowhere/naiad.yaml"}, "/nowhere/naiad.yaml"),
        ({"deployment": {"user_config": {}}}, "it names no models"),
    ],
)
def test_arguments_that_cannot_be(args: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words) as raised:
        app(args)
    assert isinstance(raised.value, (InvalidConfiguration, NotFound))
