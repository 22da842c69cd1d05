"""The Deployment: pods that fetch the models when they start, take requests when all are ready, and stop politely."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from naiad.kubernetes.choices import Choices
from naiad.kubernetes.contents import Contents

PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002}
USER = 65532
"""The image's user."""
GPU = "nvidia.com/gpu"

Document = dict[str, Any]


def selector(choices: Choices) -> dict[str, str]:
    """The labels by which pods are found."""
    return {"app.kubernetes.io/name": "naiad", "app.kubernetes.io/instance": choices.name}


def deployment(choices: Choices, contents: Contents, metadata: Mapping[str, Any]) -> Document:
    """Return the Deployment. metadata: the same for all objects."""
    document: Document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": dict(metadata)}
    spec: Document = {} if choices.is_scaled else {"replicas": choices.replicas}
    told = hashlib.sha256((contents.manifest + contents.lock).encode()).hexdigest()
    spec |= {
        "selector": {"matchLabels": selector(choices)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {"labels": dict(metadata["labels"]), "annotations": {"checksum/models": told}},
            "spec": _pod(choices, contents),
        },
    }
    return document | {"spec": spec}


def _pod(choices: Choices, contents: Contents) -> Document:
    pod: Document = {
        "serviceAccountName": "default",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": choices.grace_s,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": 0,
            "fsGroup": 0,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(choices, contents)],
        "volumes": _volumes(choices),
    }
    if choices.node_selector:
        pod["nodeSelector"] = dict(choices.node_selector)
    if choices.gpus:
        pod["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    pod["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(choices)},
        }
    ]
    return pod


def _container(choices: Choices, contents: Contents) -> Document:
    env = {"NAIAD_CACHE": "/cache/naiad", "HF_HOME": "/cache/huggingface", **choices.env}
    limits: Document = {"memory": choices.memory_limit} | ({GPU: choices.gpus} if choices.gpus else {})
    container: Document = {
        "name": "naiad",
        "image": choices.image,
        "imagePullPolicy": "IfNotPresent",
        "args": _args(choices, contents),
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    if choices.secret:
        container["envFrom"] = [{"secretRef": {"name": choices.secret}}]
    return container | {
        "ports": [{"name": name, "containerPort": port} for name, port in PORTS.items()],
        **_probes(choices),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": choices.cpu, "memory": choices.memory}, "limits": limits},
        "volumeMounts": [
            {"name": "cache", "mountPath": "/cache"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the pod, which shares it with nobody
            {"name": "models", "mountPath": "/etc/naiad", "readOnly": True},
        ],
    }


def _args(choices: Choices, contents: Contents) -> list[str]:
    lock = "/etc/naiad/naiad.lock" if contents.lock else "/cache/naiad.lock"
    return [
        "serve",
        "--manifest=/etc/naiad/naiad.yaml",
        f"--lock={lock}",
        "--host=0.0.0.0",
        f"--lame-duck-s={choices.lame_duck_s}",
        f"--drain-timeout-s={choices.drain_timeout_s}",
        *choices.args,
    ]


def _probes(choices: Choices) -> Document:
    """Started and ready when every model is loaded; alive also while it drains."""
    ready = {"httpGet": {"path": "/v2/health/ready", "port": "http"}, "periodSeconds": 2}
    return {
        "startupProbe": {**ready, "failureThreshold": (choices.startup_s + 1) // 2},
        "readinessProbe": {**ready, "failureThreshold": 1},
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def claim_name(choices: Choices) -> str:
    """The claim that all pods share."""
    return choices.cache_claim or f"{choices.name}-cache"


def claim_spec(choices: Choices, mode: str) -> Document:
    """What is claimed for the cache."""
    spec: Document = {"accessModes": [mode], "resources": {"requests": {"storage": choices.cache_size}}}
    return spec | ({"storageClassName": choices.storage_class} if choices.storage_class else {})


def _volumes(choices: Choices) -> list[Document]:
    cache: Document = {"emptyDir": {"sizeLimit": choices.cache_size}}
    if choices.cache == "claim":
        cache = {"persistentVolumeClaim": {"claimName": claim_name(choices)}}
    elif choices.cache == "perPod":
        cache = {"ephemeral": {"volumeClaimTemplate": {"spec": claim_spec(choices, "ReadWriteOnce")}}}
    return [
        {"name": "cache", **cache},
        {"name": "tmp", "emptyDir": {}},
        {"name": "models", "configMap": {"name": choices.name}},
    ]
