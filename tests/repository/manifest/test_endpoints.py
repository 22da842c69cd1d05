"""Endpoints in a manifest: what is read, and what is refused with the place and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.user_code.endpoint import Variable
from naiad.repository import Manifest, read_manifest


def read(folder: Path, text: str) -> Manifest:
    (folder / "pre.py").write_text("class Preprocess: pass")
    (folder / "model.pkl").write_bytes(b"")
    path = folder / "naiad.yaml"
    path.write_text("endpoints:\n" + text)
    return read_manifest(path)


def test_an_endpoint_alone_is_a_manifest(tmp_path: Path) -> None:
    manifest = read(
        tmp_path,
        """
  - endpoint: nlp/bert
    version: "2"
    engine: triton
    model: bert
    model_file: model.pkl
    preprocess: pre.py
    workers: 3
    input_name: [a, b]
    input_type: [int64, int64]
    input_size: [[1, 8], [1, 8]]
    metrics:
      log_freq: 0.5
      variable_scalar: ["x=0,0.2,1", "y=0/1/0.25"]
      variable_enum: ["animal=cat,dog"]
      variable_value: [lat]
      variable_counter: hits
""",
    )
    (entry,) = manifest.endpoints
    assert manifest.entries == (entry,)
    endpoint = entry.endpoint
    assert entry.name == "nlp/bert.serve"
    assert (endpoint.url, endpoint.workers, endpoint.capacity, endpoint.log_freq) == ("nlp/bert/2", 3, 16, 0.5)
    assert (endpoint.code, endpoint.model_file) == (tmp_path / "pre.py", tmp_path / "model.pkl")
    assert entry.files == (tmp_path / "pre.py", tmp_path / "model.pkl")
    assert endpoint.inputs.sizes == ((1, 8), (1, 8))
    assert endpoint.variables == {
        "x": Variable("scalar", (0, 0.2, 1)),
        "y": Variable("scalar", (0, 0.25, 0.5, 0.75, 1)),
        "animal": Variable("enum", words=("cat", "dog")),
        "lat": Variable("value"),
        "hits": Variable("counter"),
    }


USUAL = "endpoint: a, engine: custom, preprocess: pre.py"
ATTACHED = "endpoint: a, model: m, preprocess: pre.py"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("engine: custom, preprocess: pre.py", "'endpoint' is missing"),
        ("endpoint: a, engine: custom", "'preprocess' is missing"),
        ("endpoint: a, engine: custom, preprocess: no.py", "there is no file or folder"),
        ("endpoint: a/b/c, engine: custom, preprocess: pre.py", "'a/b/c' cannot be an endpoint"),
        ("endpoint: a/.., engine: custom, preprocess: pre.py", "'a/..' cannot be an endpoint"),
        ("endpoint: 'a b', engine: custom, preprocess: pre.py", "'a b' cannot be an endpoint"),
        ("endpoint: a, preprocess: pre.py", "'model' is missing"),
        ("endpoint: a, engine: trition, model: m, preprocess: pre.py", "did you mean 'triton'?"),
        ("endpoint: a, engine: vllm, preprocess: pre.py", "run vLLM itself"),
        (USUAL + ", model: m", "engine 'custom' has no model, a model of this server; it takes model_file"),
        (USUAL + ", model_file: other.pkl", "there is no file or folder"),
        (USUAL + ", environment: venv", "there is no file or folder"),
        (USUAL + ", version: 0", "must be a whole number above 0"),
        (USUAL + ", version: v1", "must be a whole number above 0"),
        (USUAL + ", version: true", "must be a whole number above 0"),
        (USUAL + ", workers: 0", "at least 1"),
        (USUAL + ", workers: -1", "at least 1"),
        (USUAL + ", workers: 100000", "at most 1024"),
        (USUAL + ", concurrency: -1", "at least 0"),
        (USUAL + ", worker: 2", "did you mean 'workers'?"),
        (ATTACHED + ", input_type: [floaty]", "'floaty' is none of numpy's types"),
        (ATTACHED + ", input_name: [x, y], input_type: [int8]", "there are 2 names, but 1 types"),
        (ATTACHED + ", input_size: [a]", "must be a list of sizes"),
        (USUAL + ", metrics: {log_freq: 2}", "must be between 0 and 1"),
        (USUAL + ", metrics: {variable_scalar: [x]}", "'x' must be written as x=0,0.2,1 or x=0/10/1"),
        (USUAL + ", metrics: {variable_scalar: ['x=a,b']}", "must be numbers"),
        (USUAL + ", metrics: {variable_scalar: ['x=1,1']}", "bounds must go up"),
        (USUAL + ", metrics: {variable_scalar: ['x=0/1']}", "least/most/step"),
        (USUAL + ", metrics: {variable_scalar: ['x=0/1/0']}", "in at most 1000 steps above 0"),
        (USUAL + ", metrics: {variable_scalar: ['x=0/1/1e-9']}", "in at most 1000 steps above 0"),
        (USUAL + ", metrics: {variable_scalar: ['x=nan']}", "must be numbers"),
        (USUAL + ", metrics: {variable_enum: ['x=']}", "names no values"),
        (USUAL + ", metrics: {variable_value: ['x=1']}", "'x=1' must be written as x"),
        (USUAL + ", metrics: {variable_value: [x], variable_counter: [x]}", "'x' is declared twice"),
        (USUAL + ", metrics: {variables: [x]}", "unknown key 'variables'"),
        (USUAL + ", weights: [0.1, 0.9]", "there is no key 'weights' here: requests are not split among versions"),
        (USUAL + ", model_id: abc", "there is no key 'model_id' here: there is no model registry"),
        (USUAL + ", max_versions: 2", "new files are found by --model-control-mode poll"),
        (USUAL + ", aux_config: [a=b]", "write a config.pbtxt for the model"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, item: str, said: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(tmp_path, f"  - {{{item}}}\n")
    assert said in caught.value.message
    assert caught.value.message.startswith("naiad.yaml line 2")


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (["", ""], "endpoint 'a' is there twice"),
        ([", version: 1", ", version: 1"], "endpoint 'a' is there twice"),
        (["", ", version: 1"], "endpoint 'a' is there with versions and without"),
    ],
)
def test_endpoints_that_contradict_each_other(tmp_path: Path, versions: list[str], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        read(tmp_path, "".join(f"  - {{{USUAL}{version}}}\n" for version in versions))


def test_versions_of_one_endpoint_and_a_model_of_its_name(tmp_path: Path) -> None:
    manifest = read(
        tmp_path,
        f"  - {{{ATTACHED}, version: 1}}\n  - {{{ATTACHED}, version: 2}}\nmodels:\n  - {{source: org/name, name: a}}\n",
    )
    assert [entry.name for entry in manifest.entries] == ["a", "a.serve", "a.serve"]
