"""Fill a folder with the Python packages of one part of the image. Runs where the image is built.

    python3 libraries.py contents.toml ROOT PART

The versions and hashes are those of requirements/.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trees import PACKAGES, compile_all, remove, run, settle

WHEELS = Path("/wheels")


def main() -> None:
    """Fill ROOT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contents", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("part")
    given = parser.parse_args()
    table = _table(given.contents, given.part)
    site = given.root / PACKAGES
    for pins in _chosen(table["from"]):
        _install(pins, site)
    remove(site, table["remove"])
    for name in table["strip"]:
        for path in sorted(site.glob(name)):
            run("strip", "--strip-unneeded", path)
    for record in site.glob("*.dist-info"):
        for name in ("RECORD", "REQUESTED", "direct_url.json"):
            (record / name).unlink(missing_ok=True)  # they name files that are not here, or how they came
    compile_all(given.root, PACKAGES)
    settle(given.root)


def _table(contents: Path, part: str) -> dict[str, Any]:
    """Give what a part is made of; what is removed and stripped in a part that it is like, too."""
    parts = tomllib.loads(contents.read_text())["libraries"]
    table = parts[part]
    other = parts.get(table.get("like"), {})
    return table | {key: [*other.get(key, ()), *table.get(key, ())] for key in ("remove", "strip")}


def _chosen(files: dict[str, list[str]]) -> Iterator[list[str]]:
    """Give the pins of each file: all of them, all but those with a minus before their name, or those named."""
    for name, packages in files.items():
        pins = dict(_pins(Path("requirements") / f"{name}.txt"))
        unknown = [one for one in packages if one.removeprefix("-") not in pins]
        if unknown:
            sys.exit(f"requirements/{name}.txt has no {', '.join(unknown)}")
        without = {one.removeprefix("-") for one in packages if one.startswith("-")}
        wanted = pins.keys() - without if without or not packages else set(packages)
        yield [text for package, text in pins.items() if package in wanted]


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    """Give each package's name and its whole pin, with hashes."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        yield re.split(r"[=;\s]", line, maxsplit=1)[0].lower(), line


def _install(pins: list[str], site: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins) + "\n")
        file.flush()
        options = ["--no-deps", "--no-compile", "--no-cache-dir", "--only-binary", ":all:", "--target", site]
        if WHEELS.is_dir():
            options += ["--find-links", WHEELS]
        run(sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", *options, "-r", file.name)


if __name__ == "__main__":
    main()
