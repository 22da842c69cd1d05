#!/usr/bin/env python3
"""Compare what we pin, and what pyproject.toml lets in, with known faults of those versions; `make audit`.

The table, advisories.toml, is kept by hand and says of which day it is, so that no network is needed: what was found
after that day is not known here. An old table is a warning, a version older than a fix is a failure.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pins import ONE_ENVIRONMENT, ROOT, Pin, path_of, read_pins

TABLE = ROOT / "tools" / "advisories.toml"
OLD_AFTER_DAYS = 90


def pins_below_a_fix(pins: Sequence[Pin], table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each pin that is older than a fix, and for each exception that no pin needs."""
    accepted = {(one["package"], one["version"]) for one in table.get("accepted", ())}
    for pin in pins:
        for fault in _faults(table, pin.name):
            if Version(pin.version) >= Version(fault["fixed"]):
                continue
            if (pin.name, pin.version) in accepted:
                accepted.discard((pin.name, pin.version))
            else:
                yield f"{pin.requirement} has {_words(fault)}; pin {fault['fixed']} or newer"
    for name, version in sorted(accepted):
        yield f"advisories.toml accepts {name} {version}, which is not pinned or has no known fault; remove that entry"


def bounds_below_a_fix(requirements: Sequence[str], table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each requirement of the package that an old, faulty version would satisfy."""
    for requirement in map(Requirement, requirements):
        lowest = [one.version for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        for fault in _faults(table, canonicalize_name(requirement.name)):
            if not lowest or max(map(Version, lowest)) < Version(fault["fixed"]):
                yield f"pyproject.toml: {requirement} lets in {_words(fault)}; ask for >={fault['fixed']}"


def age_of(table: Mapping[str, Any], today: date) -> str:
    """Say so if the table is old; empty if it is not."""
    days = (today - table["as_of"]).days
    if days <= OLD_AFTER_DAYS:
        return ""
    return f"advisories.toml is {days} days old: look for newer advisories on what we pin, and set as_of"


def _faults(table: Mapping[str, Any], package: str) -> Iterator[Mapping[str, Any]]:
    return (fault for fault in table["fault"] if fault["package"] == package)


def _words(fault: Mapping[str, Any]) -> str:
    return f"{', '.join(fault['ids']) or 'a known fault'} ({fault['what']})"


def main() -> int:
    """Print what was found; 1 if any version is older than a fix."""
    table = tomllib.loads(TABLE.read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(one for extra in extras for one in extra)]
    pins = [pin for name in ONE_ENVIRONMENT for pin in read_pins(path_of(name).read_text())]
    found = [*pins_below_a_fix(pins, table), *bounds_below_a_fix(requirements, table)]
    old = age_of(table, datetime.now(UTC).date())
    for line in (*found, *([f"warning: {old}"] if old else ())):
        sys.stderr.write(f"{line}\n")
    for one in table.get("accepted", ()):
        sys.stdout.write(f"accepted: {one['package']} {one['version']}: {one['why']}\n")
    sys.stdout.write(
        f"audit: {len(pins)} pins and {len(requirements)} requirements against {len(table['fault'])} known faults "
        f"as of {table['as_of']}: {len(found)} found\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
