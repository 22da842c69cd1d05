"""Renders the chart and checks what comes out; runs in .bench/env/kubernetes, which has Helm and the schemas.

Reads {"chart": folder, "release": name, "cases": {name: values}} and writes, for each case,
{"lint": […], "documents": […], "error": …, "faults": […]}: what Helm found, what it rendered, why it refused, and what
Kubernetes' schemas do not allow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import helm_python
import kubernetes_validate
import yaml

VERSIONS = ("1.28", "1.33", "1.37")
"""Of Kubernetes: the oldest that the chart takes, one between, the newest."""

OWN_KINDS = {"PodMonitor", "PrometheusRule", "ScaledObject"}
"""Of operators; Kubernetes' schemas do not have them."""


def main() -> None:
    """Render every case."""
    asked = json.load(sys.stdin)
    chart = helm_python.Chart.load(asked["chart"])
    release = asked["release"]
    found = {name: _case(asked["chart"], chart, release, values) for name, values in asked["cases"].items()}
    json.dump(found, sys.stdout)


def _case(folder: str, chart: Any, release: str, values: Mapping[str, Any]) -> dict[str, Any]:
    report = helm_python.lint(folder, dict(values), strict=True)
    lint = [message for message in report["messages"] if message["severity"] >= 2]
    try:
        rendered = chart.render(dict(values), name=release, namespace="default")
    except helm_python.HelmError as error:
        return {"lint": lint, "documents": [], "error": str(error), "faults": []}
    documents = [
        document
        for path, text in sorted(rendered.items())
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    return {"lint": lint, "documents": documents, "error": "", "faults": list(_faults(documents))}


def _faults(documents: list[dict[str, Any]]) -> Iterator[str]:
    for document in documents:
        for version in VERSIONS if document["kind"] not in OWN_KINDS else ():
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{document['kind']} for Kubernetes {version}: {error.message}"


if __name__ == "__main__":
    main()
