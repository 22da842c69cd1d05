#!/usr/bin/env python3
"""Write into requirements/*.txt the hashes of the files that each pin stands for; `make hashes`, when a pin changes.

These are the wheels that the index has for the Pythons and machines that we support, and the source where one of them
has no wheel. uv says which there are; it comes into an environment of its own, which is removed again. Pins, their
order and comments stay as they are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename
from pins import HASHED, UNHASHED, path_of, read_pins

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
_GLIBC = (*(f"manylinux_2_{minor}" for minor in range(5, 40)), "manylinux1", "manylinux2010", "manylinux2014")
MACHINES = {
    "Linux on x86-64": [f"{system}_x86_64" for system in _GLIBC],
    "Linux on ARM": [f"{system}_aarch64" for system in _GLIBC],
    "macOS on ARM": list(mac_platforms((15, 0), "arm64")),
}

Files = Mapping[str, str]
"""Name of a file → `sha256:…`."""


def needed_hashes(files: Files) -> list[str]:
    """Choose from all files of one version those that pip may install, sorted. Raises ValueError if there are none."""
    wheels = {name: parse_wheel_filename(name)[3] for name in files if name.endswith(".whl")}
    sources = [name for name in files if not name.endswith(".whl")]
    needed: set[str] = set()
    for tags in _supported():
        suiting = [name for name, offered in wheels.items() if offered & tags]
        needed.update(suiting or sources)
    if not needed:
        raise ValueError(f"neither a wheel for any Python and machine, nor a source: {', '.join(sorted(files))}")
    return sorted(files[name] for name in needed)


def _supported() -> Iterator[frozenset[Tag]]:
    for python in PYTHONS:
        interpreter = f"cp{python[0]}{python[1]}"
        for platforms in MACHINES.values():
            exact = cpython_tags(python, abis=[interpreter], platforms=platforms)
            yield frozenset((*exact, *compatible_tags(python, interpreter, platforms)))


def with_hashes(text: str, hashes: Mapping[str, Sequence[str]]) -> str:
    """Return a requirements file with these hashes behind its pins, in place of those that it has."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith((" ", "\t")):  # a hash of before
            continue
        pins = list(read_pins(line.removesuffix("\\")))
        lines.append(line)
        if pins:
            lines[-1] = " \\\n    --hash=".join((pins[0].requirement, *hashes[pins[0].name]))
    return "\n".join(lines) + "\n"


def ask_index(requirements: Sequence[str], folder: Path) -> dict[str, Files]:
    """Return what the index has of each pinned version, by package. folder: for uv, and what it writes."""
    asked, answer = folder / "pins.txt", folder / "pylock.toml"
    asked.write_text("\n".join(requirements))
    uv = folder / "env" / "bin" / "uv"
    if not uv.exists():
        _run(sys.executable, "-m", "venv", str(folder / "env"))
        _run(str(folder / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv")
    lowest = ".".join(map(str, PYTHONS[0]))
    options = ("--no-deps", "--universal", "--format", "pylock.toml", "--python-version", lowest, "--quiet")
    _run(str(uv), "pip", "compile", *options, "--output-file", str(answer), str(asked))
    return {canonicalize_name(one["name"]): _files(one) for one in tomllib.loads(answer.read_text())["packages"]}


def _files(package: Mapping[str, Any]) -> Files:
    rows = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
    return {row["url"].rpartition("/")[2]: f"sha256:{row['hashes']['sha256']}" for row in rows}


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 — words of this file


def main() -> None:
    """Write every file that carries hashes."""
    with tempfile.TemporaryDirectory() as folder:
        for name in HASHED:
            if name in UNHASHED:
                continue
            text = path_of(name).read_text()
            pins = list(read_pins(text))
            found = ask_index([pin.requirement for pin in pins], Path(folder))
            hashes = {pin.name: needed_hashes(found[pin.name]) for pin in pins}
            path_of(name).write_text(with_hashes(text, hashes))
            sys.stdout.write(f"{path_of(name).name}: {len(pins)} pins, {sum(map(len, hashes.values()))} hashes\n")


if __name__ == "__main__":
    main()
