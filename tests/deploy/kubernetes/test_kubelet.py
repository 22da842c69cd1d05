"""The pods of the rendered Deployment, as a kubelet treats them: started, watched, stopped."""

from __future__ import annotations

import copy
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubelet import Kubelet, Pod, Probe, wait_until
from proxy import FOUND
from rolling import CHOICES, SIMPLE, START_S, deployment, folders_of, roll, total

MANIFEST = f"models:\n  - source: {SIMPLE}\n"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def kubelets(tmp_path: Path) -> Iterator[Callable[[Change], Kubelet]]:
    """Makes a kubelet with one pod that is ready. change: what is done to the pod's spec."""
    made: list[Kubelet] = []

    def make(change: Change = lambda spec: None) -> Kubelet:
        document: Any = copy.deepcopy(deployment(CHOICES, MANIFEST))
        document["spec"]["replicas"] = 1
        change(document["spec"]["template"]["spec"])
        kubelet = Kubelet(document, tmp_path, folders_of(tmp_path, MANIFEST))
        made.append(kubelet)
        wait_until(lambda: kubelet.pods[0].is_ready, START_S, lambda: kubelet.pods[0].log)
        return kubelet

    yield make
    for kubelet in made:
        for pod in kubelet.pods:
            pod.send(signal.SIGCONT)
        kubelet.close()


def status(pod: Pod, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports['http']}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_pod_that_is_deleted_answers_on_but_is_no_endpoint(kubelets: Callable[..., Kubelet]) -> None:
    [pod] = kubelets().pods
    assert pod.is_endpoint
    pod.delete()
    assert not pod.is_endpoint
    wait_until(lambda: status(pod, "/v2/health/ready") == 400, 10)
    assert status(pod, "/v2/health/live") == 200
    assert status(pod, "/v2/models/simple") == 200
    pod.join()
    assert (pod.status, pod.was_killed, pod.restarts) == (0, False, 0)
    assert CHOICES.lame_duck_s <= pod.stopped_in_s < CHOICES.grace_s


@pytest.mark.long
def test_a_pod_that_hangs_is_started_again(kubelets: Callable[..., Kubelet]) -> None:
    def hasten(spec: dict[str, Any]) -> None:
        spec["terminationGracePeriodSeconds"] = 1
        spec["containers"][0]["livenessProbe"] |= {"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 2}

    [pod] = kubelets(hasten).pods
    pod.send(signal.SIGSTOP)
    wait_until(lambda: not pod.is_ready, 30)
    wait_until(lambda: pod.restarts == 1 and pod.is_ready, START_S, lambda: pod.log)
    assert pod.was_killed  # it could not hear SIGTERM
    assert status(pod, "/v2/models/simple") == 200


@pytest.mark.long
def test_a_hook_and_the_stop_share_the_grace_period(kubelets: Callable[..., Kubelet]) -> None:
    def hook(spec: dict[str, Any]) -> None:
        spec["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 2}}}

    kubelet = kubelets(hook)
    [pod] = kubelet.pods
    kubelet.remove(pod)
    assert (pod.status, pod.was_killed) == (0, False)
    assert pod.stopped_in_s >= 2 + CHOICES.lame_duck_s


def test_a_pod_whose_grace_is_too_short_is_killed(kubelets: Callable[..., Kubelet]) -> None:
    """Which the chart and `naiad manifests` do not let anybody write."""

    def shorten(spec: dict[str, Any]) -> None:
        spec["terminationGracePeriodSeconds"] = 1

    kubelet = kubelets(shorten)
    [pod] = kubelet.pods
    kubelet.remove(pod)
    assert pod.was_killed
    assert pod.status == -signal.SIGKILL


def test_what_the_kubelet_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="a probe of another kind"):
        Probe.of({"exec": {"command": ["true"]}})


@pytest.mark.long
@pytest.mark.parametrize("is_direct", [False, True], ids=["behind Envoy", "direct"])
def test_a_rolling_update_loses_nothing(is_direct: bool) -> None:
    """The bounded form; all of it: python tests/deploy/kubernetes/rolling.py --stops 10 --requests 20000."""
    if not is_direct and not FOUND:
        pytest.skip("there is no Envoy here; run `make test-deploy`")
    counts = roll(2, 1000, is_direct=is_direct)
    assert {name: set(outcomes) for name, outcomes in counts.items()} == {name: {"answered"} for name in counts}
    assert total(counts) >= 1000
