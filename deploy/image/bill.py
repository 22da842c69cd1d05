"""Write the image's bill of materials, in CycloneDX's format: the Debian and the Python packages, and Naiad.

    python3 bill.py ROOT pyproject.toml OUT

ROOT is what is in the image, whose links are checked first; the bill goes to OUT/usr/share/sbom. Nothing in it depends
on when or where it is written.
"""

from __future__ import annotations

import email.parser
import hashlib
import json
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trees import PACKAGES, check_links, epoch, settle

NAME = "usr/share/sbom/naiad.cdx.json"


def main(root: Path, project: Path, out: Path) -> None:
    """Write the bill."""
    check_links(root)
    naiad = tomllib.loads(project.read_text())["project"]
    components = [*_debian(root), *_python(root)]
    text = json.dumps(components)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.UUID(hashlib.sha256(text.encode()).hexdigest()[:32], version=4).urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "container",
                "bom-ref": "naiad",
                "name": "naiad",
                "version": naiad["version"],
                "licenses": [{"license": {"id": naiad["license"]}}],
            },
        },
        "components": components,
        "dependencies": [{"ref": "naiad", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    path = out / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    settle(out)


def _debian(root: Path) -> Iterator[dict[str, Any]]:
    release = (root / "usr/lib/os-release").read_text()
    number = next(line.split('"')[1] for line in release.splitlines() if line.startswith("VERSION_ID="))
    for record in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        fields = email.parser.HeaderParser().parsestr(record.read_text())
        purl = f"pkg:deb/debian/{fields['Package']}@{quote(fields['Version'], safe='~.+-')}"
        yield _component(
            fields["Package"], fields["Version"], f"{purl}?arch={fields['Architecture']}&distro=debian-{number}"
        ) | {"supplier": {"name": fields["Maintainer"]}}


def _python(root: Path) -> Iterator[dict[str, Any]]:
    for folder in sorted((root / PACKAGES).glob("*.dist-info"), key=lambda path: path.name.lower()):
        fields = email.parser.HeaderParser().parsestr((folder / "METADATA").read_text())
        name = fields["Name"].lower().replace("_", "-").replace(".", "-")
        component = _component(name, fields["Version"], f"pkg:pypi/{name}@{fields['Version']}")
        if licence := fields["License-Expression"]:
            component["licenses"] = [{"expression": licence}]
        elif (licence := fields["License"]) and "\n" not in licence:
            component["licenses"] = [{"license": {"name": licence}}]
        yield component


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
