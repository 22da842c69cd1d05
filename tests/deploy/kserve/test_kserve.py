"""A model comes by KServe's own storage initialiser, our runtime serves it, and KServe's own clients ask.

The real initialiser, from the local Hub and the emulators of S3 and Google's store. Azure's is left out: the
initialiser takes only Azure's own host names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from naiad.client import Client
from naiad.testing import LocalHub
from naiad.testing.checkpoints import tiny_checkpoint

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stores")]

from emulators import EMULATORS, Emulator, why_not
from runtimes import FOLDER, PYTHON, can_mount_read_only, initialise, runtime, serving

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
TEXTS = ["hello world", "the river lives"]

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="KServe is not installed; run `make test-deploy`")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """What is mounted at /mnt/models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def ask(running: Any, model: str, *texts: str) -> dict[str, Any]:
    script = Path(__file__).with_name("ask.py")
    command = [PYTHON, script, running.http, running.grpc, model, *texts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_answers(running: Any, model: str) -> None:
    """KServe's two clients and ours say the same."""
    with Client(running.http) as client:
        vectors = np.stack([client.model(model)(text).embedding.ravel() for text in TEXTS])
    for protocol, told in ask(running, model, *TEXTS).items():
        assert told["id"] == "one"
        assert protocol == "rest" or (told["ready"], told["live"], told["model"]) == (True, True, True)
        [output] = [each for each in told["outputs"] if each["name"] == "embedding"]
        assert output["shape"] == list(vectors.shape)
        np.testing.assert_allclose(np.reshape(output["data"], vectors.shape), vectors, atol=1e-6)


LONG = pytest.mark.long


@pytest.mark.parametrize("revision", ["", pytest.param(":v1", marks=LONG), pytest.param(":COMMIT", marks=LONG)])
def test_from_the_hub(checkpoint: Path, models: Path, tmp_path: Path, revision: str) -> None:
    with LocalHub() as hub:
        commit = hub.add_folder("acme/tiny", checkpoint)
        hub.tag("acme/tiny", "v1", commit)
        initialise(f"hf://acme/tiny{revision.replace('COMMIT', commit)}", models, {"HF_ENDPOINT": hub.url})
    assert (models / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    before = sorted(models.rglob("*"))
    with serving("naiad", "tiny", models, tmp_path) as running:
        check_answers(running, "tiny")
        assert "Traceback" not in running.log.read_text()
    assert sorted(models.rglob("*")) == before or not can_mount_read_only()


def test_a_private_model_needs_its_token(checkpoint: Path, models: Path) -> None:
    files = {path.name: path for path in checkpoint.iterdir() if path.is_file()}
    with LocalHub() as hub:
        hub.add("acme/closed", files, is_private=True, tokens=("hf_test",))
        with pytest.raises(RuntimeError, match="acme/closed"):
            initialise("hf://acme/closed", models, {"HF_ENDPOINT": hub.url})
        initialise("hf://acme/closed", models, {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test"})
    assert (models / "model.safetensors").exists()


STORES = ("moto", "s3rver", "fake-gcs")


def environ_of(store: Emulator) -> Mapping[str, str]:
    """How KServe's initialiser is told of a store of one's own."""
    if store.name == "fake-gcs":
        return {"STORAGE_EMULATOR_HOST": f"http://{store.environ['STORAGE_EMULATOR_HOST']}"}
    endpoint = "http://" + store.address.removeprefix("s3://").partition("/")[0]
    return {**store.environ, "AWS_ENDPOINT_URL": endpoint, "S3_VERIFY_SSL": "0", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.mark.parametrize("name", STORES)
def test_from_a_store(checkpoint: Path, models: Path, tmp_path: Path, name: str) -> None:
    if reason := why_not(name):
        pytest.skip(reason)
    with EMULATORS[name]() as store:
        for path in (each for each in checkpoint.rglob("*") if each.is_file()):
            store.put(f"tiny/{path.relative_to(checkpoint)}", path.read_bytes())
        scheme, bucket = store.address.partition("://")[0], store.address.rpartition("/")[2]
        initialise(f"{scheme}://{bucket}/tiny", models, environ_of(store))
    with serving("naiad", "tiny", models, tmp_path) as running:
        check_answers(running, "tiny")


def test_a_triton_repository(models: Path, tmp_path: Path) -> None:
    initialise(f"file://{SIMPLE.parent}", models, {})
    with serving("naiad-triton", "anything", models, tmp_path) as running, Client(running.http) as client:
        assert client.model("simple").is_ready()


def test_the_examples_name_runtimes_formats_and_sources_that_there_are() -> None:
    known = {each["name"] for name in ("naiad", "naiad-triton") for each in runtime(name)["supportedModelFormats"]}
    examples = [
        document for path in FOLDER.glob("inference-service*.yaml") for document in yaml.safe_load_all(path.read_text())
    ]
    assert len(examples) >= 3
    for example in examples:
        spec = example["spec"]
        predictors = [spec["predictor"], *(each["predictor"] for each in spec.get("canary", ()))]
        for predictor in predictors:
            model = predictor["model"]
            assert model["modelFormat"]["name"] in known
            assert model["runtime"] in ("naiad", "naiad-triton")
            assert model["storageUri"].startswith(("hf://", "s3://", "gs://"))
        names = [each["predictor"]["name"] for each in spec.get("canary", ())]
        assert len(set(names)) == len(names)
        assert sum(each["trafficPercent"] for each in spec.get("canary", ())) <= 100


@pytest.mark.parametrize("name", ["naiad", "naiad-triton"])
def test_the_runtimes_listen_where_kserve_asks(name: str) -> None:
    spec = runtime(name)
    [container] = spec["containers"]
    assert "--http-port=8080" in container["args"]
    assert "--grpc-port=9000" in container["args"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert spec["protocolVersions"] == ["v2", "grpc-v2"]
    assert any("/mnt/models" in word for word in container["args"])
