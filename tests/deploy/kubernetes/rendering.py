"""Has Helm render the chart, and Kubernetes' schemas judge documents, in the environment of their own."""

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


def render(
    cases: Mapping[str, Any], release: str = "release", documents: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Ask render.py about values, and about lists of documents, by name. Raises RuntimeError with its words."""
    documents = documents or {}
    asked = json.dumps({"chart": str(CHART), "release": release, "cases": cases, "documents": documents})
    script = Path(__file__).with_name("render.py")
    done = subprocess.run([PYTHON, script], input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def kustomized(folder: Path) -> list[dict[str, Any]]:
    """Return what `kubectl kustomize` makes of a folder."""
    kubectl = PYTHON.with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))
