"""All objects of a server beside its Deployment: services, budget, scaling, policy, monitoring, claim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from naiad import __version__
from naiad.kubernetes.choices import Choices
from naiad.kubernetes.contents import Contents
from naiad.kubernetes.deployment import PORTS, Document, claim_name, claim_spec, deployment, selector

_PENDING = "nv_inference_pending_request_count"
_PROTOCOLS = {"http": "http", "grpc": "kubernetes.io/h2c", "metrics": "http"}


def objects(choices: Choices, contents: Contents) -> Iterator[tuple[str, list[Document]]]:
    """Give the name of each file and its documents, in the order in which they are applied."""

    def document(group: str, kind: str, spec: Document, name: str = choices.name) -> Document:
        return {"apiVersion": group, "kind": kind, "metadata": _metadata(choices, name), "spec": spec}

    yield "config-map.yaml", [_config_map(choices, contents)]
    if choices.cache == "claim" and not choices.cache_claim:
        spec = claim_spec(choices, "ReadWriteMany")
        yield "claim.yaml", [document("v1", "PersistentVolumeClaim", spec, claim_name(choices))]
    yield "deployment.yaml", [deployment(choices, contents, _metadata(choices, choices.name))]
    headless = document("v1", "Service", _headless(choices), f"{choices.name}-headless")
    yield "service.yaml", [document("v1", "Service", _service(choices)), headless]
    found = {"matchLabels": selector(choices)}
    budget = {"maxUnavailable": 1, "selector": found}
    yield "pod-disruption-budget.yaml", [document("policy/v1", "PodDisruptionBudget", budget)]
    if choices.is_scaled and choices.keda:
        yield "scaled-object.yaml", [document("keda.sh/v1alpha1", "ScaledObject", _scaled_object(choices))]
    elif choices.is_scaled:
        scaler = document("autoscaling/v2", "HorizontalPodAutoscaler", _autoscaler(choices))
        yield "horizontal-pod-autoscaler.yaml", [scaler]
    if choices.network_policy:
        policy = document("networking.k8s.io/v1", "NetworkPolicy", _network_policy(choices))
        yield "network-policy.yaml", [policy]
    if choices.pod_monitor:
        spec = {"selector": found, "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "15s"}]}
        yield "pod-monitor.yaml", [document("monitoring.coreos.com/v1", "PodMonitor", spec)]
    if choices.prometheus_rule:
        rule = document("monitoring.coreos.com/v1", "PrometheusRule", _prometheus_rule(choices))
        yield "prometheus-rule.yaml", [rule]


def _metadata(choices: Choices, name: str) -> Document:
    labels = selector(choices) | {"app.kubernetes.io/version": __version__}
    metadata: Document = {"name": name, "labels": labels}
    return metadata | ({"namespace": choices.namespace} if choices.namespace else {})


def _config_map(choices: Choices, contents: Contents) -> Document:
    data = {"naiad.yaml": contents.manifest} | ({"naiad.lock": contents.lock} if contents.lock else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(choices, choices.name), "data": data}


def _port(name: str) -> Document:
    return {"name": name, "port": PORTS[name], "targetPort": name, "appProtocol": _PROTOCOLS[name]}


def _service(choices: Choices) -> Document:
    return {"type": choices.service_type, "selector": selector(choices), "ports": [_port(name) for name in PORTS]}


def _headless(choices: Choices) -> Document:
    """For clients that balance gRPC themselves."""
    return {"clusterIP": "None", "selector": selector(choices), "ports": [_port("grpc")]}


def _autoscaler(choices: Choices) -> Document:
    metrics: list[Any] = []
    if choices.target_cpu:
        target = {"type": "Utilization", "averageUtilization": choices.target_cpu}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if choices.target_pending:
        waiting = {"metric": {"name": _PENDING}, "target": _average(choices.target_pending)}
        metrics.append({"type": "Pods", "pods": waiting})
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": choices.name},
        "minReplicas": choices.min_replicas,
        "maxReplicas": choices.max_replicas,
        "metrics": metrics,
    }


def _average(value: int) -> Document:
    return {"type": "AverageValue", "averageValue": str(value)}


def _scaled_object(choices: Choices) -> Document:
    where = f'namespace="{choices.namespace}",' if choices.namespace else ""
    trigger = {
        "serverAddress": choices.keda,
        "query": f'sum({_PENDING}{{{where}pod=~"{choices.name}-.*"}})',
        "threshold": str(choices.target_pending),
    }
    return {
        "scaleTargetRef": {"name": choices.name},
        "minReplicaCount": choices.min_replicas,
        "maxReplicaCount": choices.max_replicas,
        "triggers": [{"type": "prometheus", "metadata": trigger}],
    }


def _network_policy(choices: Choices) -> Document:
    """Everybody may ask; what is no port of the server is closed."""
    return {
        "podSelector": {"matchLabels": selector(choices)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": "http"}, {"port": "grpc"}]}, {"ports": [{"port": "metrics"}]}],
    }


def _prometheus_rule(choices: Choices) -> Document:
    where = f'{{namespace="{choices.namespace}"}}' if choices.namespace else ""
    failed, answered = f"nv_inference_request_failure{where}", f"nv_inference_request_success{where}"
    failures = f"sum by (model) (rate({failed}[5m]))"
    total = f"(sum by (model) (rate({answered}[5m])) + {failures})"
    rules = [
        _alert(
            "NaiadRequestsFail",
            f"{failures} / {total} > 0.05",
            "More than 5 % of the requests to {{ $labels.model }} fail.",
        ),
        _alert(
            "NaiadRequestsQueue",
            f"sum by (model) ({_PENDING}{where}) > 100",
            "More than 100 requests have waited for {{ $labels.model }} for 5 minutes; `naiad explain` says why.",
        ),
    ]
    return {"groups": [{"name": choices.name, "rules": rules}]}


def _alert(name: str, expression: str, summary: str) -> Document:
    labels, annotations = {"severity": "warning"}, {"summary": summary}
    return {"alert": name, "expr": expression, "for": "5m", "labels": labels, "annotations": annotations}
