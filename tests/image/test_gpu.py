"""The variant for GPUs, as far as it can be checked where there is none: its parts, its names, and its Dockerfile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .containers import ROOT, VERSION, podman

IMAGE = ROOT / "deploy" / "image"
BASE = "localhost/naiad-debian:bookworm"

sys.path += [str(ROOT / "tools"), str(IMAGE)]


def chosen(part: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Name → version of what one part of the image is made of."""
    from libraries import _chosen
    from pins import read_pins

    monkeypatch.chdir(ROOT)
    table = tomllib.loads((IMAGE / "contents.toml").read_text())["libraries"][part]
    pins = [pin for lines in _chosen(table["from"]) for pin in read_pins("\n".join(lines))]
    assert all(pin.hashes for pin in pins)
    assert len({pin.name for pin in pins}) == len(pins)
    return {pin.name: pin.version for pin in pins}


def test_it_has_what_the_default_has_but_for_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    default, gpu = (chosen(part, monkeypatch) for part in ("base", "gpu"))
    assert gpu["onnxruntime-gpu"] == default.pop("onnxruntime"), "graphs prepared by one are for the same other"
    own = {name for name in gpu if name.startswith("nvidia-") or name == "onnxruntime-gpu"}
    assert {name: version for name, version in gpu.items() if name not in own} == default


def test_it_removes_what_the_default_does_and_tensorrt() -> None:
    from libraries import _table

    default, gpu = (_table(IMAGE / "contents.toml", part) for part in ("base", "gpu"))
    assert gpu["strip"] == default["strip"]
    assert gpu["remove"] == [*default["remove"], "onnxruntime/capi/libonnxruntime_providers_tensorrt.so"]


def test_make_image_says_why_it_does_not_build_it() -> None:
    command = [sys.executable, str(IMAGE / "build.py"), "--variant", "gpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "the variant gpu has not been built or run by its authors" in done.stderr
    [line] = re.findall(r"docker build .*", done.stderr)
    assert f"\n    {line}\n" in (ROOT / "docs/how-to/run-the-image.md").read_text()


def test_all_of_it_but_the_download_builds(image: str, tmp_path: Path) -> None:
    """A folder takes the place of the packages; the stages behind it run, out of the layers of `make image`."""
    assert image
    record = tmp_path / "out/usr/local/lib/python3.11/dist-packages/onnxruntime_gpu-0.dist-info/METADATA"
    record.parent.mkdir(parents=True)
    record.write_text("Name: onnxruntime-gpu\nVersion: 0\nLicense: MIT\n")
    if podman("image", "exists", BASE, check=False).returncode:
        pytest.skip(f"there is no {BASE}; make image makes it")
    name = f"localhost/naiad:{VERSION}-gpu-without-its-packages"
    command = [
        "buildah", "bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--layers", "--timestamp", "0",
        "--build-context", f"libraries-gpu={tmp_path}", "--build-arg", f"DEBIAN={BASE}", "--target", "gpu",
        "--tag", name, "--file", str(IMAGE / "Dockerfile"), str(ROOT),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    try:
        [found] = json.loads(podman("image", "inspect", name).stdout)
        [default] = json.loads(podman("image", "inspect", image).stdout)
        own = ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]
        assert found["Config"]["Env"] == [*default["Config"]["Env"], *own]
        for key in ("User", "Entrypoint", "ExposedPorts", "Volumes", "WorkingDir"):
            assert found["Config"][key] == default["Config"][key]
    finally:
        podman("rmi", "--force", name, check=False)
