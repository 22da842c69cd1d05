"""Renders the chart and checks what comes out; runs in .bench/env/kubernetes, which has Helm and the schemas.

Reads {"chart": folder, "release": name, "cases": {name: values}, "documents": {name: [document]}} and writes, for each
case, {"lint": […], "documents": […], "error": …, "faults": […]}: what Helm found, what it rendered, why it refused, and
what the schemas do not allow, those of Kubernetes and those of operators in schemas/. Of documents, only the faults.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

VERSIONS = ("1.28", "1.33", "1.37")
"""Of Kubernetes: the oldest that the chart takes, one between, the newest."""

OWN = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "schemas").glob("*.json")}
"""Of operators, by kind; Kubernetes' schemas do not have them."""


def main() -> None:
    """Render every case."""
    asked = json.load(sys.stdin)
    chart = helm_python.Chart.load(asked["chart"])
    release = asked["release"]
    found = {name: _case(asked["chart"], chart, release, values) for name, values in asked["cases"].items()}
    found |= {name: {"faults": list(_faults(documents))} for name, documents in asked["documents"].items()}
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
        for version in VERSIONS:
            kind = document["kind"]
            for error in _validator(kind, document["apiVersion"], version).iter_errors(document):
                where = ".".join(map(str, error.absolute_path))
                yield f"{kind} for Kubernetes {version}: {where}: {error.message}"


@cache
def _validator(kind: str, group: str, version: str) -> Any:
    """As `kubernetes_validate` makes it for each document anew, and for operators, which refer to the same parts."""
    schema = OWN.get(kind)
    if schema is None:
        schema = _read(f"{kind.lower()}-{re.sub(r'[.][^/]*', '', group).replace('/', '-')}", version)
    return Draft202012Validator(schema, registry=_registry(version))


@cache
def _registry(version: str) -> Any:
    return (Resource.from_contents(_read("_definitions", version)) @ Registry()).crawl()


def _read(name: str, version: str) -> Any:
    return schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)


if __name__ == "__main__":
    main()
