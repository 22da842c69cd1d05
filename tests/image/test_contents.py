"""What is in the image, and what is not."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .containers import VERSION, podman

BILL = "usr/share/sbom/naiad.cdx.json"
SITE = "usr/local/lib/python3.11/dist-packages/"


@pytest.fixture(scope="module")
def config(image: str) -> Any:
    (found,) = json.loads(podman("image", "inspect", image).stdout)
    return found


@pytest.fixture(scope="module")
def tree(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tarfile.TarFile]:
    """The whole file system."""
    path = tmp_path_factory.mktemp("image") / "tree.tar"
    name = podman("create", "--pull=never", image).stdout.strip()
    try:
        podman("export", "--output", str(path), name)
    finally:
        podman("rm", "--force", "--volumes", name)
    with tarfile.open(path) as tree:
        yield tree


def test_the_configuration(config: Any) -> None:
    settings = config["Config"]
    assert settings["User"] == "65532:0"
    assert settings["Entrypoint"] == ["/usr/bin/tini", "--", "/usr/local/bin/naiad-start"]
    assert set(settings["ExposedPorts"]) == {"8000/tcp", "8001/tcp", "8002/tcp"}
    assert settings["StopSignal"] in ("SIGTERM", "15")
    assert config["HealthCheck" if "HealthCheck" in config else "Healthcheck"]["Test"] == [
        "CMD", "/usr/local/bin/naiad", "health", "--live",
    ]  # fmt: skip
    labels = settings["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == VERSION
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert {f"{prefix}{name}" for name in ("title", "description", "revision", "created")} <= set(labels)
    assert not [one for one in settings["Env"] if "TOKEN" in one or "PIP" in one]


def test_there_is_no_shell_and_what_a_server_never_imports_is_not_there(tree: tarfile.TarFile) -> None:
    names = set(tree.getnames())
    assert not names & {
        f"{folder}{one}" for folder in ("bin/", "usr/bin/") for one in ("sh", "bash", "dash", "busybox")
    }
    assert sorted(name for name in names if name.startswith("usr/bin/")) == [
        "usr/bin/python3", "usr/bin/python3.11", "usr/bin/tini",
    ]  # fmt: skip
    packages = {name.removeprefix(SITE).split("/")[0] for name in names if name.startswith(SITE)}
    assert not packages & {"pip", "setuptools", "grpc", "onnx", "ml_dtypes", "torch", "pygments"}
    assert packages >= {"naiad", "numpy", "onnxruntime", "tokenizers", "obstore"}
    assert not [name for name in names if "libonnxruntime.so" in name or name.endswith((".h", ".pyi", ".a"))]
    assert not [name for name in names if name.startswith(SITE) and "/tests/" in name]


def test_every_module_has_bytecode_that_asks_for_nothing(tree: tarfile.TarFile) -> None:
    """PEP 552: flags 1 are a hash that is not checked."""
    flags = set()
    compiled = set()
    for member in tree:
        if member.name.endswith(".cpython-311.pyc"):
            file = tree.extractfile(member)
            assert file is not None
            flags.add(file.read(8)[4:])
            compiled.add(member.name.replace("__pycache__/", "").replace(".cpython-311.pyc", ".py"))
    sources = {name for name in tree.getnames() if name.endswith(".py") and name.startswith(SITE + "naiad/")}
    assert flags == {b"\1\0\0\0"}
    assert sources - compiled == set()


def test_files_belong_to_root_and_only_root_may_write(tree: tarfile.TarFile) -> None:
    written = {"cache", "models"}
    for member in tree:
        name = member.name.rstrip("/")
        if name in written:
            assert (member.uid, member.gid, member.mode & 0o777) == (65532, 0, 0o775), name
        elif not member.issym() and name.partition("/")[0] not in ("dev", "proc", "sys", "run"):
            assert (member.uid, member.gid) == (0, 0), name
            assert member.mode & 0o022 == 0 or name == "tmp", name


def test_the_bill_of_materials(tree: tarfile.TarFile) -> None:
    file = tree.extractfile(BILL)
    assert file is not None
    bill = json.load(io.TextIOWrapper(file))
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["version"]) == (
        "CycloneDX",
        "1.5",
        VERSION,
    )
    purls = [one["purl"] for one in bill["components"]]
    assert len(set(purls)) == len(purls)
    kinds = {kind: {purl.split("@")[0] for purl in purls if purl.startswith(kind)} for kind in ("pkg:deb", "pkg:pypi")}
    assert kinds["pkg:deb"] >= {"pkg:deb/debian/libc6", "pkg:deb/debian/python3.11-minimal", "pkg:deb/debian/tini"}
    installed = {
        Path(name).name.removesuffix(".dist-info").rpartition("-")[0].lower().replace("_", "-").replace(".", "-")
        for name in tree.getnames()
        if name.startswith(SITE) and name.endswith(".dist-info")
    }
    assert {purl.removeprefix("pkg:pypi/") for purl in kinds["pkg:pypi"]} == installed
    recorded = {Path(name).name for name in tree.getnames() if name.startswith("var/lib/dpkg/status.d/")}
    assert {purl.removeprefix("pkg:deb/debian/") for purl in kinds["pkg:deb"]} == recorded
