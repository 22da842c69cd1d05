"""The commands of the page about object stores, as they stand, on emulators that have the buckets of the page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from emulators import Emulator, azurite, fake_gcs, moto, why_not

from naiad.testing import tiny_checkpoint

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "serve-from-object-stores.md").read_text()
SIMPLE = ROOT / "tests" / "data" / "model_repository" / "simple"
PORTS = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"]
INSTALL = "pip install 'naiad[cloud]'"


def commands() -> list[str]:
    return [line.strip() for line in re.findall(r"^(?:    )?((?:naiad|pip) .*)$", PAGE, re.MULTILINE)]


def run(line: str, folder: Path, store: Emulator) -> str:
    """Run a line as it stands, on free ports and with the variables that name the store; a server until it is ready."""
    _, *words = shlex.split(line)
    serves = words[0] in ("serve", "triton")
    where = {"AWS_ENDPOINT_URL": "http://" + store.address.removeprefix("s3://").partition("/")[0]}
    environ = {**os.environ, **store.environ, **(where if store.name == "moto" else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", "from naiad.cli.main import main; main()", *words, *(PORTS if serves else [])],
        cwd=folder,
        env={**environ, "NAIAD_CACHE": str(folder / "cache"), "NAIAD_LOG_FORMAT": "text"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    assert process.stdout is not None
    with process.stdout:
        for text in process.stdout:
            said += text
            if serves and re.search(r"ready on|nothing is served", text):
                process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, said
    return said


def upload(store: Emulator, folder: Path, path: str) -> None:
    for file in (one for one in folder.rglob("*") if one.is_file()):
        store.put(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def test_it_is_uploaded_to_s3_and_served(tmp_path: Path) -> None:
    shutil.copytree(SIMPLE, tmp_path / "my-model")
    config = tmp_path / "my-model" / "config.pbtxt"
    config.write_text(config.read_text().replace('"simple"', '"my-model"'))
    with store_of("moto", moto, "my-bucket") as store:
        for line in ("naiad push ./my-model s3://my-bucket/models/my-model", "naiad serve s3://my-bucket/models"):
            assert line in commands()
            said = run(line, tmp_path, store)
    assert "successfully loaded 'my-model' version 1" in said


def test_a_checkpoint_of_googles_store(tmp_path: Path) -> None:
    line = "naiad serve classifier=gs://my-bucket/checkpoints/classifier"
    assert line in commands()
    with store_of("fake-gcs", fake_gcs, "my-bucket") as store:
        upload(store, tiny_checkpoint(tmp_path / "tiny"), "checkpoints/classifier")
        assert "successfully loaded 'classifier' version 1" in run(line, tmp_path, store)


def test_a_triton_repository_in_azure(tmp_path: Path) -> None:
    line = "naiad triton --model-repository=as://myaccount/mycontainer/models"
    assert line in commands()
    with store_of("azurite", azurite, "mycontainer") as store:
        upload(store, SIMPLE, "models/simple")
        assert "successfully loaded 'simple' version 1" in run(line, tmp_path, store)


def store_of(
    name: str, start: Callable[[str], AbstractContextManager[Emulator]], bucket: str
) -> AbstractContextManager[Emulator]:
    if reason := why_not(name):
        pytest.skip(reason)
    return start(bucket)


def test_no_other_command_is_on_the_page() -> None:
    """What is installed is what pyproject.toml calls so, and this environment has it."""
    assert len(commands()) == 5
    assert INSTALL in commands()
    [requirement] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cloud"]
    assert re.match(r"\w+", requirement).group() in sys.modules  # type: ignore[union-attr]
