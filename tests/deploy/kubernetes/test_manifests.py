"""`naiad manifests` and the Helm chart say the same, and Kubernetes takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rendering import PYTHON, kustomized, render

from naiad.cli.main import group
from naiad.kubernetes.choices import Choices
from naiad.kubernetes.contents import Contents
from naiad.kubernetes.objects import objects

MODELS = [{"source": "org/one"}, {"source": "s3://bucket/two", "name": "two", "quantize": "int8"}]
MANIFEST = yaml.safe_dump({"models": MODELS})
ALL: dict[str, Mapping[str, Any]] = {
    "plain": {},
    "named": {"name": "naiad-eu", "image": "registry.example/team/naiad:1.2", "replicas": 5, "cpu": "500m"},
    "claim": {"cache": "claim", "cache_size": "100Gi", "storage_class": "nfs"},
    "own claim": {"cache": "claim", "cache_claim": "mine"},
    "per pod": {"cache": "perPod", "storage_class": "fast"},
    "scaled": {"min_replicas": 1, "max_replicas": 9, "target_cpu": 50, "target_pending": 4},
    "scaled by requests": {"max_replicas": 9, "target_cpu": 0, "target_pending": 4},
    "KEDA": {"max_replicas": 9, "target_pending": 3, "keda": "http://prometheus:9090", "namespace": "default"},
    "watched": {"network_policy": True, "pod_monitor": True, "prometheus_rule": True, "namespace": "default"},
    "GPU": {"gpus": 2, "node_selector": {"pool": "gpu"}, "secret": "tokens", "env": {"NAIAD_LOG_FORMAT": "json"}},
    "slow": {"lame_duck_s": 30, "drain_timeout_s": 300, "grace_s": 600, "startup_s": 7201},
    "arguments": {"args": ("--cache-config", "local,size=1048576", "s3://bucket/more"), "service_type": "NodePort"},
    "locked": {},
}
LOCK = '{"version": 1}\n'

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="Helm is not installed; run `make test-deploy`")


def values_of(choices: Choices, lock: str) -> dict[str, Any]:
    """The values of the chart that mean the same."""
    repository, _, tag = choices.image.rpartition(":")
    scaled = {"minReplicas": choices.min_replicas, "maxReplicas": choices.max_replicas}
    return {
        "models": MODELS, "lock": lock, "args": list(choices.args), "replicas": choices.replicas,
        "image": {"repository": repository, "tag": tag},
        "resources": {"requests": {"cpu": choices.cpu, "memory": choices.memory},
                      "limits": {"memory": choices.memory_limit}},
        "cache": {"kind": choices.cache, "size": choices.cache_size, "existingClaim": choices.cache_claim,
                  "storageClass": choices.storage_class},
        "existingSecret": choices.secret,
        "extraEnv": [{"name": key, "value": word} for key, word in choices.env.items()],
        "service": {"type": choices.service_type},
        "lameDuckSeconds": choices.lame_duck_s, "drainSeconds": choices.drain_timeout_s,
        "graceSeconds": choices.grace_s, "probes": {"startupSeconds": choices.startup_s},
        "networkPolicy": {"enabled": choices.network_policy}, "podMonitor": {"enabled": choices.pod_monitor},
        "prometheusRule": {"enabled": choices.prometheus_rule},
        "gpu": {"count": choices.gpus}, "nodeSelector": dict(choices.node_selector),
        **({"keda": {"enabled": True, **scaled, "prometheus": choices.keda, "pendingRequests": choices.target_pending}}
           if choices.keda else
           {"autoscaling": {"enabled": True, **scaled, "cpuPercent": choices.target_cpu,
                            "pendingRequests": choices.target_pending}} if choices.is_scaled else {}),
    }  # fmt: skip


def choices_of(case: str) -> Choices:
    return Choices(**{"image": "naiad:0.1.0", **ALL[case]})


def written(case: str) -> list[dict[str, Any]]:
    contents = Contents(MANIFEST, LOCK if case == "locked" else "")
    return [document for _, documents in objects(choices_of(case), contents) for document in documents]


@pytest.fixture(scope="module")
def judged() -> Mapping[str, Any]:
    """What the chart says for the same choices, by the name of the release, and what the schemas say of ours."""
    releases: dict[str, dict[str, Any]] = {}
    for case in ALL:
        choices = choices_of(case)
        releases.setdefault(choices.name, {})[case] = values_of(choices, LOCK if case == "locked" else "")
    found: dict[str, Any] = {}
    for name, cases in releases.items():
        found |= render(cases, name, {f"ours: {case}": written(case) for case in cases})
    return found


def plain(documents: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Documents by kind and name, without what only Helm, or only one of the two, knows."""
    found = {}
    for document in documents:
        metadata = document["metadata"]
        metadata.pop("namespace", None)
        pods = [document["spec"]["template"]["metadata"]] if document["kind"] == "Deployment" else []
        for one in (metadata, *pods):
            one["labels"].pop("app.kubernetes.io/managed-by", None)
            one["labels"].pop("helm.sh/chart", None)
            assert len(one.pop("annotations", {"checksum/models": "0" * 64}).pop("checksum/models", "0" * 64)) == 64
        if "naiad.yaml" in document.get("data", {}):
            document["data"]["naiad.yaml"] = yaml.safe_load(document["data"]["naiad.yaml"])
        for rules in document.get("spec", {}).get("groups", ()):
            for rule in rules["rules"]:
                rule["expr"] = " ".join(rule["expr"].split())
        found[document["kind"], metadata["name"]] = document
    assert len(found) == len(documents)
    return found


@pytest.mark.parametrize("case", ALL)
def test_the_chart_says_the_same(judged: Mapping[str, Any], case: str) -> None:
    assert judged[case]["error"] == ""
    assert plain(written(case)) == plain(judged[case]["documents"])


@pytest.mark.parametrize("case", ALL)
def test_kubernetes_and_the_operators_take_it(judged: Mapping[str, Any], case: str) -> None:
    assert judged[f"ours: {case}"]["faults"] == []


def test_the_schemas_can_find_fault() -> None:
    """Of every kind: one key too many, one value of another type."""
    everything = [document for case in ("claim", "scaled", "KEDA", "watched") for document in written(case)]
    kinds = {document["kind"]: document for document in everything}
    spoilt = {}
    for kind, document in kinds.items():
        part = "data" if kind == "ConfigMap" else "spec"
        spoilt[f"{kind} with a key"] = [{**document, part: {**document[part], "nonsense": {"a": 1}}}]
        spoilt[f"{kind} of another type"] = [{**document, part: [1]}]
    found = render({}, documents=spoilt)
    assert len(kinds) == 10
    assert [name for name, judgement in found.items() if not judgement["faults"]] == []


def test_the_written_files_are_what_kustomize_reads(tmp_path: Path) -> None:
    (tmp_path / "naiad.yaml").write_text(MANIFEST)
    out = tmp_path / "out"
    words = ["manifests", str(tmp_path / "naiad.yaml"), "--out", str(out), "--namespace", "serving", "--pod-monitor"]
    result = CliRunner().invoke(group, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    documents = kustomized(out)
    assert len(documents) == 6
    assert {document["metadata"]["namespace"] for document in documents} == {"serving"}
    assert render({}, documents={"all": documents})["all"]["faults"] == []
