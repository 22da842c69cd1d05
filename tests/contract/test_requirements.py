"""The pins agree with pyproject.toml and with each other, carry hashes, and name no package index."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source import ROOT

sys.path.append(str(ROOT / "tools"))

from pins import FOLDER, ONE_ENVIRONMENT, UNHASHED, Pin, path_of, read_pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGES = tomllib.loads((ROOT / "deploy/image/contents.toml").read_text())["libraries"]


def pins(name: str) -> list[Pin]:
    """The pins of one file, included files left out."""
    return list(read_pins(path_of(name).read_text()))


@pytest.mark.parametrize("name", ONE_ENVIRONMENT)
def test_every_line_is_one_exact_pin(name: str) -> None:
    assert [pin.requirement for pin in pins(name) if not pin.version] == []


def test_no_package_is_pinned_twice() -> None:
    everything = [pin.name for name in ONE_ENVIRONMENT for pin in pins(name)]
    assert sorted({package for package in everything if everything.count(package) > 1}) == []


@pytest.mark.parametrize("name", ONE_ENVIRONMENT)
def test_every_pin_says_which_files_it_stands_for(name: str) -> None:
    """pip checks hashes only if all lines of a command have one, so that a file has them throughout or not at all."""
    hashed = [pin.requirement for pin in pins(name) if pin.hashes]
    assert hashed == ([] if name in UNHASHED else [pin.requirement for pin in pins(name)])
    assert [one for pin in pins(name) for one in pin.hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}", one)] == []
    assert name not in UNHASHED or "\n-r " not in path_of(name).read_text(), "what it includes would be checked"


@pytest.mark.parametrize(
    ("requirements", "files"),
    [
        (PROJECT["dependencies"], ["base"]),
        (PROJECT["optional-dependencies"]["torch"], ["base", "torch", "torch-itself"]),
        (PROJECT["optional-dependencies"]["otel"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["japanese"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["redis"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["flask"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["fastapi"], ["base", "dev"]),
        (PROJECT["optional-dependencies"]["ray"], ["base", "ray"]),
    ],
    ids=["base", "torch", "otel", "japanese", "redis", "flask", "fastapi", "ray"],
)
def test_what_the_project_asks_for_is_pinned(requirements: list[str], files: list[str]) -> None:
    pinned = {pin.name: pin.version for name in files for pin in pins(name)}
    for requirement in map(Requirement, requirements):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("variant", IMAGES)
def test_what_an_image_takes_of_a_file_is_pinned_there(variant: str) -> None:
    for name, packages in IMAGES[variant]["from"].items():
        pinned = {pin.name for pin in pins(name)}
        assert [package for package in packages if package.removeprefix("-") not in pinned] == [], name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.name)
def test_no_index_address(path: Path) -> None:
    assert re.findall(r"--(?:extra-)?index-url|--find-links|https?://", path.read_text()) == []
