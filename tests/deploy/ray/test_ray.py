"""Three nodes of Ray on this machine: what its proxies answer, and what happens to requests while replicas change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
from running import GRPC_PORT, HTTP_PORT, ROOT, RayCluster

REPOSITORY = ROOT / "tests" / "data" / "model_repository"
SIMPLE, INT8, STRING = (str(REPOSITORY / name) for name in ("simple", "simple_int8", "simple_string"))
SLOW = """backend: "identity" max_batch_size: 0
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ] output [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ] parameters { key: "execute_delay_ms" value { string_value: "100" } }"""
BIG = """backend: "identity" max_batch_size: 4
input [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] } ] output [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] } ]
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models that are not in the repository of the tests."""
    folder = tmp_path_factory.mktemp("made")
    for name, config in {"slow": SLOW, "big": BIG}.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(config)
    return folder


def config(models: list[str], args: dict[str, Any] | None = None, **deployment: Any) -> dict[str, Any]:
    """A configuration file, as `serve deploy` takes it. models: by `user_config`."""
    row = {"name": "naiad", "user_config": {"models": models}, **deployment}
    application = {"name": "naiad", "route_prefix": "/", "import_path": "naiad.ray:app", "args": args or {}}
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": HTTP_PORT},
        "grpc_options": {"port": GRPC_PORT, "grpc_servicer_functions": ["naiad.ray.add_grpc_service"]},
        "applications": [{**application, "deployments": [row] if models else []}],
    }


TWO = {"num_replicas": 2, "max_replicas_per_node": 1, "ray_actor_options": {"num_cpus": 0.5}}


@pytest.fixture
def two(cluster: RayCluster, made: Path) -> RayCluster:
    """Two replicas, on two nodes."""
    cluster.order("deploy", config=config([SIMPLE, STRING, str(made / "big")], **TWO))
    return cluster


def until(holds: Callable[[], Any], what: str, within_s: float = 90.0) -> Any:
    until_s = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < until_s, f"{what} within {within_s:g} s"
        time.sleep(0.1)
    return found


def assert_nothing_lost(outcome: dict[str, Any]) -> None:
    assert outcome["lost"] == []
    assert min(outcome["answered"].values()) > 0


def test_answers_over_http_are_those_of_a_server_with_a_port(two: RayCluster, made: Path) -> None:
    count, differing = two.ask("compare", SIMPLE, STRING, str(made / "big"))
    assert differing == []
    assert count > 20


def test_the_official_clients_work(two: RayCluster) -> None:
    found = two.ask("clients")
    doubled = [[2 * number for number in range(16)]]
    unknown = "Request for unknown model: 'nosuch' is not found"
    version = "Request for unknown model: 'simple' version 9 is not found"
    assert found["http"] == [True, True, True, doubled, ["404", unknown], ["404", version]]
    assert found["grpc"] == [
        True, True, True, doubled, ["StatusCode.NOT_FOUND", unknown], ["StatusCode.NOT_FOUND", version]
    ]  # fmt: skip
    assert found["config"] == "simple"
    assert found["index"] == ["big", "simple", "simple_string"]
    assert found["stream"] == ["0", "1", unknown, "3", "4"]


def test_replicas_on_two_nodes_share_the_requests(two: RayCluster) -> None:
    assert len({one["node"] for one in two.order("replicas")}) == 2
    counts = two.ask("replicas", "simple", "60")
    assert len(counts) == 2
    assert min(counts) > 10


def test_other_models_without_a_new_replica_and_without_a_loss(two: RayCluster) -> None:
    before = {one["pid"] for one in two.order("replicas")}
    with two.load("simple") as outcome:
        two.order("deploy", config=config([SIMPLE, INT8], **TWO))
    assert_nothing_lost(outcome)
    assert {one["pid"] for one in two.order("replicas")} == before
    assert two.ask("index") == ["simple", "simple_int8"]


@pytest.mark.long
def test_a_killed_replica_is_replaced_and_only_its_own_requests_are_lost(two: RayCluster) -> None:
    before = {one["pid"] for one in two.order("replicas")}
    killed = min(before)
    with two.load("simple") as outcome:
        two.order("kill", pid=killed)
        until(lambda: len(now := {one["pid"] for one in two.order("replicas")}) == 2 and killed not in now, "replaced")
        two.order("wait", status="RUNNING")
    lost = sum(number for _, _, number in outcome["lost"])
    assert lost <= outcome["clients"], "each client has one request under way"
    assert min(outcome["answered"].values()) > 0


def test_a_new_deployment_under_load_loses_nothing(two: RayCluster, made: Path) -> None:
    before = {one["pid"] for one in two.order("replicas")}
    models = [SIMPLE, STRING, str(made / "big")]
    with two.load("simple") as outcome:
        two.order("deploy", config=config(models, {"options": {"max_waiting": 1000}}, **TWO))
    assert_nothing_lost(outcome)
    assert not {one["pid"] for one in two.order("replicas")} & before


@pytest.fixture
def scaled(cluster: RayCluster, made: Path) -> RayCluster:
    """One to three replicas of a slow model, by what the application itself chooses."""
    scaling = {
        "min_replicas": 1, "max_replicas": 3, "look_back_period_s": 2, "upscale_delay_s": 0.5, "downscale_delay_s": 1,
        "metrics_interval_s": 0.5,
    }  # fmt: skip
    deployment = {"autoscaling_config": scaling, "ray_actor_options": {"num_cpus": 0.5}}
    cluster.order("deploy", config=config([], {"models": [str(made / "slow")], "deployment": deployment}))
    return cluster


@pytest.mark.long
def test_replicas_come_when_requests_wait_and_go_again(scaled: RayCluster) -> None:
    options = scaled.order("options")["naiad"]
    assert options["max_ongoing_requests"] == 32, "16 that run or are on their way, and as many that wait"
    assert options["autoscaling_config"]["target_ongoing_requests"] == 16
    assert len(scaled.order("replicas")) == 1
    process = scaled.start(sys.executable, str(Path(__file__).with_name("asking.py")), "wait", "slow", "48")
    try:
        until(lambda: scaled.order("status")["naiad"]["replicas"].get("RUNNING") == 3, "three replicas")
        answered, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert int(answered.split()[-1]) > 48
    until(lambda: len(scaled.order("replicas")) == 1, "one replica")


@pytest.mark.long
def test_what_cannot_be_is_said_in_the_status(cluster: RayCluster) -> None:
    cluster.order("deploy", config=config([], {"modles": []}), wait=False)
    seen = cluster.order("wait", status="DEPLOY_FAILED")
    assert "args: 'modles' is not known; use one of: models, manifest, lock" in seen["naiad"]["message"]
