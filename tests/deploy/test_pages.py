"""The commands of the pages about Kubernetes and KServe, run as far as they can be without a cluster.

`kubectl apply` becomes what it reads, held against the schemas; what only talks to a cluster is checked for its flags
alone, by kubectl's own help.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from naiad.cli.main import group

sys.path.append(str(Path(__file__).parent / "kubernetes"))

from rendering import PYTHON, ROOT, kustomized, render

HOW_TO = ROOT / "docs" / "how-to"
PAGES = ("run-on-kubernetes.md", "run-on-kserve.md")
CLUSTER_ONLY = ("get", "logs", "port-forward")
"""Of kubectl; they need somebody to answer."""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="Helm is not installed; run `make test-deploy`")


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (HOW_TO / page).read_text(), re.MULTILINE | re.DOTALL)
    return [text for word, text in found if word == language]


def lines(page: str) -> Iterator[list[str]]:
    for block in blocks(page, ""):
        yield from (shlex.split(line) for line in block.splitlines() if line)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, language in {"naiad.yaml": "yaml", "values.yaml": "yml"}.items():
        for text in blocks(page, language):
            (tmp_path / name).write_text(text)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    monkeypatch.chdir(tmp_path)
    ran = [run(words) for words in lines(page)]
    assert len(ran) >= 4


def run(words: list[str]) -> None:
    program, *rest = words
    {"naiad": run_naiad, "kubectl": run_kubectl, "helm": run_helm}[program](rest)


def run_naiad(words: list[str]) -> None:
    result = CliRunner().invoke(group, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    check(kustomized(Path(words[words.index("--out") + 1])))


def run_kubectl(words: list[str]) -> None:
    kubectl = str(PYTHON.with_name("kubectl"))
    if words[0] == "apply" and words[1] == "-k":
        check(kustomized(Path(words[2])))
    elif words[0] == "apply":
        assert words[1] == "-f"
        check(list(yaml.safe_load_all(Path(words[2]).read_text())))
    elif words[0] == "create":
        command = [kubectl, *words, "--dry-run=client", "--output=yaml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        check([yaml.safe_load(done.stdout)])
    else:
        assert words[0] in CLUSTER_ONLY
        done = subprocess.run([kubectl, words[0], "--help"], capture_output=True, text=True, check=True)
        assert [
            flag for flag in words if flag.startswith("--") and f"{flag.partition('=')[0]}=" not in done.stdout
        ] == []


def run_helm(words: list[str]) -> None:
    assert words[0] in ("install", "upgrade")
    assert words[2] == "deploy/helm/naiad"
    values: dict[str, Any] = {}
    options = dict(zip(words[3::2], words[4::2], strict=True))
    for option, value in options.items():
        if option == "--values":
            values |= yaml.safe_load(Path(value).read_text())
        else:
            assert option in ("--set", "--set-file")
            path, _, text = value.partition("=")
            *parents, last = path.split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = "locked: {}\n" if option == "--set-file" else text
    found = render({"page": values}, words[1])["page"]
    assert (found["error"], found["lint"], found["faults"]) == ("", [], [])


def check(documents: list[dict[str, Any]]) -> None:
    assert documents
    assert render({}, documents={"page": documents})["page"]["faults"] == []
