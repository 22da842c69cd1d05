"""The Helm chart over a matrix of values: linted, rendered, and held against three versions of Kubernetes' schemas."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rendering import FOLDER, PYTHON, ROOT, kustomized, render

from naiad.cli.main import group
from naiad.repository import read_manifest

MODELS = {"models": [{"source": "org/one"}, {"source": "s3://bucket/two", "name": "two", "quantize": "int8"}]}
MATRIX: dict[str, list[Mapping[str, Any]]] = {
    "models": [MODELS, {"args": ["s3://bucket/models", "--model-control-mode", "poll"]}],
    "cache": [{}, {"cache": {"kind": "claim"}}, {"cache": {"kind": "claim", "existingClaim": "mine"}},
              {"cache": {"kind": "perPod", "storageClass": "fast"}}],
    "scaling": [{}, {"autoscaling": {"enabled": True, "pendingRequests": 4}}, {"keda": {"enabled": True}}],
    "rest": [
        {},
        {
            "gpu": {"count": 2, "nodeSelector": {"pool": "gpu"}}, "tolerations": [{"operator": "Exists"}],
            "nodeSelector": {"disk": "ssd"}, "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True}, "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]},
            "serviceAccount": {"annotations": {"role": "x"}}, "existingSecret": "tokens",
            "extraEnv": [{"name": "A", "value": "b"}], "imagePullSecrets": [{"name": "registry"}],
            "image": {"digest": "sha256:" + "0" * 64}, "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"},
            "affinity": {"nodeAffinity": {}}, "priorityClassName": "high", "runtimeClassName": "nvidia",
            "service": {"type": "LoadBalancer", "annotations": {"a": "b"}, "headless": False},
        },
        {"podDisruptionBudget": {"enabled": False}, "topologySpread": {"enabled": False},
         "autoscaling": {"cpuPercent": 0}},
    ],
}  # fmt: skip
REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "nothing": ({}, "nothing to serve: set models, or args with a source"),
    "two scalers": ({**MODELS, "autoscaling": {"enabled": True}, "keda": {"enabled": True}}, "cannot both be enabled"),
    "blind scaler": (
        {**MODELS, "autoscaling": {"enabled": True, "cpuPercent": 0}},
        "set autoscaling.cpuPercent or autoscaling.pendingRequests",
    ),
    "short grace": ({**MODELS, "graceSeconds": 70}, "graceSeconds (70) must be longer"),
    "cache": ({**MODELS, "cache": {"kind": "disk"}}, "cache.kind must be emptyDir, claim or perPod, not disk"),
    "lone lock": ({"args": ["s3://bucket/models"], "lock": "{}"}, "ensembles and lock are of models: set models, too"),
    "misspelt": ({**MODELS, "replica": 3}, "additional properties 'replica' not allowed"),
    "misspelt inside": ({**MODELS, "keda": {"enable": True}}, "additional properties 'enable' not allowed"),
    "no number": ({**MODELS, "replicas": "two"}, "got string, want integer"),
    "no source": ({"models": [{"name": "one"}]}, "missing property 'source'"),
    "digest": ({**MODELS, "image": {"digest": "sha256:1"}}, "does not match pattern"),
}

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="Helm is not installed; run `make test-deploy`")


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return values


CASES = {
    "-".join(map(str, numbers)): merged(*(MATRIX[key][number] for key, number in zip(MATRIX, numbers, strict=True)))
    for numbers in itertools.product(*(range(len(choices)) for choices in MATRIX.values()))
}


@pytest.fixture(scope="module")
def rendered() -> Mapping[str, Any]:
    return render({**CASES, **{name: values for name, (values, _) in REFUSED.items()}})


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_is_what_kubernetes_takes(rendered: Mapping[str, Any], case: str) -> None:
    found = rendered[case]
    assert (found["error"], found["lint"], found["faults"]) == ("", [], [])
    kinds = [document["kind"] for document in found["documents"]]
    assert kinds.count("Deployment") == 1
    assert len({(one["kind"], one["metadata"]["name"]) for one in found["documents"]}) == len(kinds)


@pytest.mark.parametrize("case", CASES)
def test_the_parts_fit_together(rendered: Mapping[str, Any], case: str) -> None:
    documents = rendered[case]["documents"]
    [deployment] = [one for one in documents if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    for document in documents:
        selector = document["spec"].get("selector") if "spec" in document else None
        if document["kind"] in ("Service", "PodDisruptionBudget", "PodMonitor", "Deployment") and selector:
            assert selector.get("matchLabels", selector).items() <= labels, document["kind"]
    [container] = pod["spec"]["containers"]
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    lame_duck, drain = (
        float(next(word for word in container["args"] if word.startswith(f"--{flag}=")).partition("=")[2])
        for flag in ("lame-duck-s", "drain-timeout-s")
    )
    assert pod["spec"]["terminationGracePeriodSeconds"] > lame_duck + drain
    is_scaled = any(one["kind"] in ("HorizontalPodAutoscaler", "ScaledObject") for one in documents)
    assert ("replicas" in deployment["spec"]) != is_scaled


def test_the_models_are_a_manifest_that_naiad_reads(rendered: Mapping[str, Any], tmp_path: Path) -> None:
    [config] = [one for one in rendered["0-0-0-0"]["documents"] if one["kind"] == "ConfigMap"]
    (tmp_path / "naiad.yaml").write_text(config["data"]["naiad.yaml"])
    models = read_manifest(tmp_path / "naiad.yaml").models
    assert [(str(model.source), model.name, model.quantize) for model in models] == [
        ("hf://org/one", "", "none"), ("s3://bucket/two", "two", "int8")
    ]  # fmt: skip


@pytest.mark.parametrize("case", ["0-0-0-0", "1-0-0-0"])
def test_naiad_knows_every_argument(rendered: Mapping[str, Any], case: str) -> None:
    [deployment] = [one for one in rendered[case]["documents"] if one["kind"] == "Deployment"]
    _check_arguments(deployment["spec"]["template"]["spec"]["containers"][0]["args"])


def test_naiad_knows_every_argument_of_the_kserve_runtimes() -> None:
    runtimes = list(yaml.safe_load_all((ROOT / "deploy" / "kserve" / "runtime.yaml").read_text()))
    assert len(runtimes) == 2
    for runtime in runtimes:
        _check_arguments(runtime["spec"]["containers"][0]["args"])


def _check_arguments(words: list[str]) -> None:
    """A command line that is right but for the last word is refused because of that word."""
    result = CliRunner().invoke(group, [*words, "--no-such-option"])
    assert result.exit_code == (1 if words[0] == "triton" else 2)  # as tritonserver does
    assert re.search("(No such option:? '?|unrecognized option '?)--no-such-option", result.output), result.output


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_contradict_each_other_are_refused(rendered: Mapping[str, Any], case: str) -> None:
    assert REFUSED[case][1] in rendered[case]["error"]


def test_kustomize_reads_the_plain_manifests() -> None:
    documents = kustomized(FOLDER)
    kinds = {document["kind"] for document in documents}
    assert {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"} == kinds
    assert render({}, documents={"plain": documents})["plain"]["faults"] == []


KSERVE = sorted((ROOT / "deploy" / "kserve").glob("*.yaml"))


def test_kserve_takes_its_manifests() -> None:
    documents = {path.name: list(yaml.safe_load_all(path.read_text())) for path in KSERVE}
    found = render({}, documents=documents)
    assert {name: found[name]["faults"] for name in documents} == {name: [] for name in documents}


def test_the_schemas_of_kserve_can_find_fault() -> None:
    [runtime, *_] = yaml.safe_load_all((ROOT / "deploy" / "kserve" / "runtime.yaml").read_text())
    misspelt = {**runtime, "spec": {**runtime["spec"], "protocolVersion": ["v2"]}}
    container = {**runtime["spec"]["containers"][0], "arg": []}
    inside = {**runtime, "spec": {**runtime["spec"], "containers": [container]}}
    found = render({}, documents={"key": [misspelt], "inside": [inside]})
    assert "'protocolVersion' was unexpected" in found["key"]["faults"][0]
    assert "'arg' was unexpected" in found["inside"]["faults"][0]
