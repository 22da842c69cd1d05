"""The same answers on the kernels of other processors, as far as this one can play them.

OpenBLAS, under numpy, is told which processor to take itself for. ONNX Runtime's kernels (MLAS) look at the processor
and have no switch; QEMU's user emulation, where it is installed (Debian: qemu-user-static), shows them one with AVX2 at
most, and one without AVX.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")

from making.weights import randomize

pytestmark = [pytest.mark.torch, pytest.mark.field, pytest.mark.filterwarnings("ignore")]

PROGRAM = Path(__file__).parent / "kernels" / "run_encoder.py"
QEMU = next(filter(None, map(shutil.which, ("qemu-x86_64-static", "qemu-x86_64"))), "")
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}

BLAS = ("Haswell", "SkylakeX", "Prescott")
EMULATED = {"max": "Haswell", "Nehalem": "Prescott"}
"""A processor with AVX2 and no AVX-512, and one with SSE4.2 alone; and what OpenBLAS is to take it for: NumPy 2.4's
(0.3.31) ends with an AVX instruction on a Nehalem, at its import."""

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "300 wide": ("BertModel", {"hidden_size": 300, "num_attention_heads": 6, "intermediate_size": 600}),
    "312 wide": ("BertModel", {"hidden_size": 312, "num_attention_heads": 12, "intermediate_size": 1200}),
    "30522 words": ("BertForMaskedLM", {"vocab_size": 30522}),
    "301 labels": ("BertForSequenceClassification", {"num_labels": 301}),
}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a size that fills no vector register."""
    import transformers

    name, sizes = MODELS[request.param]
    small = {"vocab_size": 90, "hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 52}
    config = transformers.BertConfig(**{**small, "num_hidden_layers": 2, "max_position_embeddings": 66, **sizes})
    model = getattr(transformers, name)(config)
    randomize(model, 1)
    place = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What this processor gives without any switch."""
    return run([sys.executable], folder, tmp_path_factory.mktemp("cache"))


def run(command: list[str], folder: Path, cache: Path, environment: Mapping[str, str] | None = None) -> list[Any]:
    done = subprocess.run(
        [*command, str(PROGRAM), str(folder)],
        env={**os.environ, "NAIAD_CACHE": str(cache), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    return [np.array(values) for values in json.loads(done.stdout)]


def assert_close(wanted: list[Any], got: list[Any]) -> None:
    for one, other in zip(wanted, got, strict=True):
        assert np.abs(one - other).max() <= 2e-5 * np.abs(one).max()


@pytest.mark.skipif(not IS_X86, reason="names of x86 processors")
@pytest.mark.parametrize("core", BLAS)
def test_numpy_on_other_kernels(core: str, folder: Path, here: list[Any], tmp_path: Path) -> None:
    assert_close(here, run([sys.executable], folder, tmp_path, {"OPENBLAS_CORETYPE": core}))


@pytest.mark.skipif(not QEMU or not IS_X86, reason="no QEMU user emulation for x86 (Debian: qemu-user-static)")
@pytest.mark.parametrize("cpu", EMULATED)
def test_the_runtime_on_other_kernels(cpu: str, folder: Path, here: list[Any], tmp_path: Path) -> None:
    core = {"OPENBLAS_CORETYPE": EMULATED[cpu]}
    assert_close(here, run([QEMU, "-cpu", cpu, sys.executable], folder, tmp_path, core))
