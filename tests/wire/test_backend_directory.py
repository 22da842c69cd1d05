"""Backends that are Python code of the operator's own: `--backend-directory DIR`, then `DIR/NAME/model.py`."""

from __future__ import annotations

import json
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from naiad.testing import running_server

BACKEND = """
    import json
    import sys
    from pathlib import Path
    import numpy as np
    import triton_python_backend_utils as pb_utils
    from words import GREETING

    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            config.add_input({"name": "x", "data_type": "TYPE_STRING", "dims": [1]})
            config.add_output({"name": "y", "data_type": "TYPE_STRING", "dims": [1]})
            return config

        def initialize(self, args):
            self.said = {
                "name": args["model_name"], "folder": args["model_repository"], "version": args["model_version"],
                "backend": json.loads(args["model_config"])["backend"], "model_dir": pb_utils.get_model_dir(),
                "module": __name__, "text": Path(pb_utils.get_model_dir(), "text").read_text(), "greeting": GREETING,
            }

        def execute(self, requests):
            said = np.array([json.dumps(self.said).encode()], object)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", said)]) for _ in requests]
"""


def put_backend(folder: Path, name: str = "hello") -> Path:
    backend = folder / "backends" / name
    backend.mkdir(parents=True)
    (backend / "model.py").write_text(textwrap.dedent(BACKEND))
    (backend / "words.py").write_text("GREETING = 'good morning'\n")
    return backend


def put_model(folder: Path, name: str, backend: str = "hello") -> Path:
    version = folder / "models" / name / "3"
    version.mkdir(parents=True)
    (version / "text").write_text(f"of {name}")
    (version.parent / "config.pbtxt").write_text(f'backend: "{backend}"')
    return version


def infer(url: str, model: str) -> Any:
    body = {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
    request = urllib.request.Request(f"{url}/v2/models/{model}/infer", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(json.load(answer)["outputs"][0]["data"][0])


def test_models_of_a_backend_share_its_code(tmp_path: Path) -> None:
    """As in Triton: the code lies with the backend, all else with the model."""
    put_backend(tmp_path)
    versions = {name: put_model(tmp_path, name) for name in ("one", "two")}
    with running_server(str(tmp_path / "models"), backend_directory=str(tmp_path / "backends")) as server:
        assert server.all_loaded, server.server.catalog.index()
        for name, version in versions.items():
            assert infer(server.url, name) == {
                "name": name,
                "folder": str(version.parent),
                "version": "3",
                "backend": "hello",
                "model_dir": str(version),
                "module": "hello.model",
                "text": f"of {name}",
                "greeting": "good morning",
            }


@pytest.mark.parametrize("name", ["nothing", "../hello", "onnxruntime2"])
def test_a_backend_that_is_not_there(tmp_path: Path, name: str) -> None:
    put_backend(tmp_path)
    put_model(tmp_path, "m", name)
    with running_server(str(tmp_path / "models"), backend_directory=str(tmp_path / "backends")) as server:
        (entry,) = server.server.catalog.index()
        assert f"there is no backend '{name}'; this server has: dyna_sequence, " in entry["reason"]
        assert "nor has backends a folder of that name with a model.py" in entry["reason"]


def test_without_the_option_there_are_only_ours(tmp_path: Path) -> None:
    put_model(tmp_path, "m")
    with running_server(str(tmp_path / "models")) as server:
        (entry,) = server.server.catalog.index()
        assert "there is no backend 'hello'" in entry["reason"]
        assert entry["reason"].endswith("name the folder of one that is Python code with --backend-directory")


def test_what_the_server_has_goes_before(tmp_path: Path) -> None:
    put_backend(tmp_path, "identity")
    version = put_model(tmp_path, "m", "identity")
    port = "data_type: TYPE_STRING dims: [ 1 ]"
    (version.parent / "config.pbtxt").write_text(
        f'backend: "identity" input {{ name: "x" {port} }} output {{ name: "y" {port} }}'
    )
    with running_server(str(tmp_path / "models"), backend_directory=str(tmp_path / "backends")) as server:
        assert server.all_loaded, server.server.catalog.index()


def test_a_backend_brings_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A requirements.txt beside its code counts for all of its models that have none of their own."""
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    backend = put_backend(tmp_path)
    (backend / "requirements.txt").write_text("--no-index\nnothing-like-it==1.0\n")
    put_model(tmp_path, "m")
    with running_server(str(tmp_path / "models"), backend_directory=str(tmp_path / "backends")) as server:
        (entry,) = server.server.catalog.index()
        assert "requirements.txt cannot be installed" in entry["reason"]
