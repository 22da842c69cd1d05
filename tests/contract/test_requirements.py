"""The pins agree with pyproject.toml and with each other, and name no package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source import ROOT

FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ONE_ENVIRONMENT = ("base", "dev", "torch", "model", "fuzz")
"""Files that are installed side by side in .venv."""


def pins(name: str) -> dict[str, str]:
    """Package → version of one file, included files left out."""
    lines = [line.split(" #")[0].strip() for line in (FOLDER / f"{name}.txt").read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(one.name): str(one.specifier) for one in found}


@pytest.mark.parametrize("name", ONE_ENVIRONMENT)
def test_every_line_is_one_exact_pin(name: str) -> None:
    assert {package: pin for package, pin in pins(name).items() if not re.fullmatch(r"==[\w.!+]+", pin)} == {}


def test_no_package_is_pinned_twice() -> None:
    everything = [package for name in ONE_ENVIRONMENT for package in pins(name)]
    assert sorted({package for package in everything if everything.count(package) > 1}) == []


@pytest.mark.parametrize(
    ("requirements", "files"),
    [
        (PROJECT["dependencies"], ["base"]),
        (PROJECT["optional-dependencies"]["torch"], ["base", "torch"]),
        (PROJECT["optional-dependencies"]["otel"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["japanese"], ["base", "dev"]),
    ],
    ids=["base", "torch", "otel", "japanese"],
)
def test_what_the_project_asks_for_is_pinned(requirements: list[str], files: list[str]) -> None:
    pinned = {package: pin for name in files for package, pin in pins(name).items()}
    for requirement in map(Requirement, requirements):
        version = pinned[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.name)
def test_no_index_address(path: Path) -> None:
    assert re.findall(r"--(?:extra-)?index-url|--find-links|https?://", path.read_text()) == []
