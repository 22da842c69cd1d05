#!/usr/bin/env python3
"""Build the image without a registry, measure it, and write it beside its bill of materials; `make image`.

    build.py [--variant default|pip|torch|gpu] [--out FOLDER] [--twice] [--wheels FOLDER] [--check]

The base is made of Debian's packages (mmdebstrap), with the package lists that this machine uses; Dockerfile does the
rest, run by buildah. With --twice, everything is built a second time, and the two must be the same, byte for byte.

Exit status: 0; 1 when something failed, or the image is too large; 3 when images cannot be built here (the reason is
printed), for scripts that then go on without. That of the variant gpu is always 3: nobody here could try its image.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SUITE = "bookworm"
BASE = f"localhost/naiad-debian:{SUITE}"
BILL = "usr/share/sbom/naiad.cdx.json"
PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "skopeo": "skopeo"}
"""Program: Debian's package."""

AIM_MB, BOUND_MB = (80, 240), (100, 260)
"""Compressed and unpacked: what we aim at, and where the build fails. Of the default variant."""

CANNOT = 3


def main() -> int:
    """Build, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build the image from Debian's packages.")
    parser.add_argument("--variant", choices=("default", "pip", "torch", "gpu"), default="default")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench" / "image")
    parser.add_argument("--twice", action="store_true", help="build twice and compare")
    parser.add_argument("--wheels", type=Path, help="folder of wheels that the package index does not have")
    parser.add_argument("--check", action="store_true", help="only say whether images can be built here")
    given = parser.parse_args()
    if reason := _why_not(given.variant):
        print(f"images cannot be built here: {reason}", file=sys.stderr)
        return CANNOT
    if given.check:
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    _make_base()
    name = f"naiad:{VERSION}" + ("" if given.variant == "default" else f"-{given.variant}")
    archive = given.out / f"{name.replace(':', '-')}.tar"
    digest = _build(name, given.variant, given.wheels, archive, uses_cache=not given.twice)
    if given.twice:
        again = _build(f"{name}-again", given.variant, given.wheels, archive.with_suffix(".again"), uses_cache=False)
        archive.with_suffix(".again").unlink()
        _run("buildah", "rmi", f"localhost/{name}-again")
        if again != digest:
            print(f"two builds gave two images: {digest} and {again}", file=sys.stderr)
            return 1
        print(f"two builds gave the same image, {digest}")
    compressed_mb, unpacked_mb = measure(archive, given.out / f"{name.replace(':', '-')}.cdx.json")
    print(f"localhost/{name} {digest} in {time.monotonic() - began_s:.0f} s: {archive}")
    print(f"compressed {compressed_mb:.1f} MB (aim {AIM_MB[0]}), unpacked {unpacked_mb:.1f} MB (aim {AIM_MB[1]})")
    size = {"image": name, "compressed_mb": round(compressed_mb, 1), "unpacked_mb": round(unpacked_mb, 1)}
    archive.with_suffix(".size.json").write_text(json.dumps(size) + "\n")
    if given.variant == "default" and (compressed_mb > BOUND_MB[0] or unpacked_mb > BOUND_MB[1]):
        print(f"too large: at most {BOUND_MB[0]} MB compressed and {BOUND_MB[1]} MB unpacked", file=sys.stderr)
        return 1
    return 0


def _why_not(variant: str) -> str:
    if variant == "gpu":
        return (
            "the variant gpu has not been built or run by its authors, who have no GPU to try it on; "
            "build it where there is one: "
            f"docker build -f deploy/image/Dockerfile -t naiad:{VERSION}-gpu --target gpu ."
        )
    missing = sorted(package for program, package in PROGRAMS.items() if shutil.which(program) is None)
    if missing:
        return f"install {', '.join(missing)}"
    if os.geteuid() != 0:
        return "buildah's chroot isolation needs root"
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no mount namespaces ({done.stderr.strip()})"


def _make_base() -> None:
    """Make Debian's smallest root, unless it is there and not older than a day."""
    listed = subprocess.run(["buildah", "images", "--json", BASE], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        image = json.loads(listed.stdout)[0]
        age_s = time.time() - datetime.fromisoformat(image["createdatraw"]).timestamp()
        if 0 <= age_s < 24 * 3600:
            return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base.tar"
        _run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", SUITE, tree, *_package_lists())
        container = _output("buildah", "from", "scratch")
        _run("buildah", "add", "--quiet", container, tree, "/")
        _run("buildah", "commit", "--quiet", "--rm", container, BASE)


def _package_lists() -> list[Path]:
    """This machine's own lists, if they are of the suite: mirrors included. Else mmdebstrap has its own."""
    folder = Path("/etc/apt")
    found = [*folder.glob("sources.list.d/*.sources"), *folder.glob("sources.list.d/*.list"), folder / "sources.list"]
    return [path for path in found if path.is_file() and SUITE in path.read_text()]


def _build(name: str, variant: str, wheels: Path | None, archive: Path, *, uses_cache: bool = True) -> str:
    """Build, write the archive, and return the image's digest."""
    revision = _output("git", "-C", ROOT, "rev-parse", "HEAD")
    created = f"{datetime.fromtimestamp(int(_epoch()), UTC):%Y-%m-%dT%H:%M:%SZ}"
    with _secrets() as secrets:
        _run(
            "buildah", "bud", "--quiet", "--isolation", "chroot", "--format", "docker",
            *(["--layers"] if uses_cache else ["--layers", "--no-cache"]), "--timestamp", "0", *secrets,
            *(("--build-context", f"wheels={wheels.resolve()}") if wheels else ()),
            "--build-arg", f"DEBIAN={BASE}", "--build-arg", f"VERSION={VERSION}",
            "--build-arg", f"REVISION={revision}",
            "--build-arg", f"CREATED={created}",
            # Given once more as labels: buildah takes the layers of an older build although these arguments differ.
            "--label", f"org.opencontainers.image.revision={revision}",
            "--label", f"org.opencontainers.image.created={created}",
            "--identity-label=false", "--target", variant,
            "--tag", f"localhost/{name}", "--file", HERE / "Dockerfile", ROOT,
        )  # fmt: skip
    store = f"containers-storage:localhost/{name}"
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        _run("skopeo", "copy", "--quiet", "--format", "v2s2", store, f"dir:{folder}")
        _settle(Path(folder))
        archive.unlink(missing_ok=True)
        _run("skopeo", "copy", "--quiet", f"dir:{folder}", f"docker-archive:{archive}:{name}")
        _run("skopeo", "copy", "--quiet", f"dir:{folder}", store)
        return _output("skopeo", "inspect", "--format", "{{.Digest}}", f"dir:{folder}")


def _settle(image: Path) -> None:
    """Remove from an image's configuration what docker's format says of the build: names of its containers."""
    manifest_path = image / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    old = image / manifest["config"]["digest"].removeprefix("sha256:")
    config = json.loads(old.read_text())
    for key in ("container", "container_config", "parent"):
        config.pop(key, None)
    config["config"]["Hostname"] = ""
    config["history"] = [{**one, "comment": ""} for one in config["history"]]
    text = json.dumps(config, sort_keys=True).encode()
    old.unlink()
    digest = hashlib.sha256(text).hexdigest()
    (image / digest).write_bytes(text)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(text)}
    manifest_path.write_text(json.dumps(manifest, sort_keys=True))


@contextmanager
def _secrets() -> Iterator[list[str]]:
    """What pip is told on this machine, for the build alone: its configuration and the authorities that it trusts."""
    with tempfile.TemporaryDirectory() as folder:
        found: list[str] = []
        lines = ["[global]"]
        ca = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if ca and Path(ca).is_file():
            shutil.copy(ca, Path(folder) / "ca")
            lines.append("cert = /run/secrets/ca")
            found += ["--secret", f"id=ca,src={folder}/ca"]
        for option in ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy"):
            value = os.environ.get(f"PIP_{option.upper().replace('-', '_')}", "")
            if value and "file:" not in value:
                lines.append(f"{option} = {value}")
        (Path(folder) / "pip.conf").write_text("\n".join(lines) + "\n")
        yield [*found, "--secret", f"id=pip,src={folder}/pip.conf"]


def _epoch() -> str:
    """The date of the commit, so that a build of it bears its date and no other."""
    return os.environ.get("SOURCE_DATE_EPOCH") or _output("git", "-C", ROOT, "log", "-1", "--format=%ct")


def measure(archive: Path, bill: Path) -> tuple[float, float]:
    """Return MB as a registry would send it (gzip) and as it lies on a disk; copies its bill of materials out."""
    compressed = unpacked = 0
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json") or sys.exit("no manifest.json in the archive"))
        for layer in manifest[0]["Layers"]:
            with tempfile.TemporaryFile() as packed, gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as file:
                shutil.copyfileobj(image.extractfile(layer) or sys.exit(f"no {layer} in the archive"), file)
                file.close()
                compressed += packed.tell()
            with tarfile.open(fileobj=image.extractfile(layer)) as tree:
                for member in tree:
                    unpacked += member.size
                    if member.name == BILL and (text := tree.extractfile(member)) is not None:
                        bill.write_bytes(text.read())
    return compressed / 1e6, unpacked / 1e6


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


def _output(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed (status {error.returncode})" + (f": {error.stderr}" if error.stderr else ""))
