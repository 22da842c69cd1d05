"""Renders deploy/kubernetes/naiad.yaml from the chart, so that the plain manifests never say anything else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".bench" / "env" / "kubernetes" / "bin" / "python"
CHART = ROOT / "deploy" / "helm" / "naiad"
FOLDER = ROOT / "deploy" / "kubernetes"

_HEAD = "# Rendered from deploy/helm/naiad with values.yaml; what is chosen there can be chosen here by hand.\n"


class _Plain(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def render(cases: Mapping[str, Any], release: str = "release") -> Mapping[str, Any]:
    """Ask render.py. Raises RuntimeError with its words."""
    asked = json.dumps({"chart": str(CHART), "release": release, "cases": cases})
    script = Path(__file__).with_name("render.py")
    done = subprocess.run([PYTHON, script], input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def manifests() -> str:
    """Return what naiad.yaml must be."""
    values = yaml.safe_load((FOLDER / "values.yaml").read_text())
    documents = render({"plain": values}, "naiad")["plain"]["documents"]
    for document in documents:
        for labels in (document["metadata"]["labels"], *_pod_labels(document)):
            labels.pop("app.kubernetes.io/managed-by")
            labels.pop("helm.sh/chart")
    return _HEAD + "---\n".join(yaml.dump(document, Dumper=_Plain, sort_keys=False) for document in documents)


def _pod_labels(document: Mapping[str, Any]) -> list[dict[str, str]]:
    return [document["spec"]["template"]["metadata"]["labels"]] if document["kind"] == "Deployment" else []


if __name__ == "__main__":
    (FOLDER / "naiad.yaml").write_text(manifests())
