from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository import Batching, FolderReference, HubReference, ModelEntry, PackageReference, read_manifest
from naiad.repository.manifest.naiad_yaml import manifest_from_yaml

FULL = """
models:
  - name: minilm
    source: sentence-transformers/all-MiniLM-L6-v2
    revision: v1.0
    token_env: TEAM_TOKEN
    task: feature-extraction
    allow: ["*.json", "onnx/*"]
    ignore: "*.md"
    allow_code: true
    device: cpu
    weights: onnx
    quantize: int8
    output: dense_vecs
    inputs: {task_id: 1}
    batching: {max_tokens_per_batch: 2048, max_queue_delay_ms: 1.5, max_queue_size: 100, instances: 2}
    response_cache: true
    options:
      labels: [bad, good]
  - source: ./local
  - source: pkg://some_module/model
"""


def test_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "hf_secret")
    (tmp_path / "local").mkdir()
    (tmp_path / "naiad.yaml").write_text(FULL)
    first, second, third = read_manifest(tmp_path / "naiad.yaml").models
    assert first.token is not None
    assert first.token.reveal() == "hf_secret"
    assert first == ModelEntry(
        source=HubReference("sentence-transformers/all-MiniLM-L6-v2", "v1.0"),
        name="minilm",
        token=first.token,
        task="feature-extraction",
        allow=("*.json", "onnx/*"),
        ignore=("*.md",),
        allow_code=True,
        device="cpu",
        weights="onnx",
        quantize="int8",
        output="dense_vecs",
        inputs={"task_id": 1},
        batching=Batching(2048, 1.5, 100, 2),
        response_cache=True,
        options={"labels": ["bad", "good"]},
    )
    assert second == ModelEntry(FolderReference(tmp_path / "local"))
    assert third == ModelEntry(PackageReference("some_module", "model"))
    assert "hf_secret" not in repr(first)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["must be a mapping"]),
        ("[]", ["must be a mapping", "not a list"]),
        ("model: []", ["line 1", "unknown key 'model'", "did you mean 'models'?"]),
        ("models: []", ["'models' must be a list with at least one item"]),
        ("models:\n- name: x", ["line 2", "models[0]", "'source' is missing"]),
        ("models:\n- source: org/name\n  sorce: x", ["line 3", "unknown key 'sorce'", "did you mean 'source'?"]),
        (
            "models:\n- source: org/name\n  token: hf_secret",
            ["line 3", "unknown key 'token'", "did you mean 'token_env'?"],
        ),
        ("models:\n- source: org/name\n  tok: x", ["unknown key 'tok'; did you mean 'task'?"]),
        ("models:\n- source: org/name\n  zzz: 1", ["unknown key 'zzz'", "known are source, name"]),
        (
            "models:\n- source: org/name\n  revision: 1.10",
            ["line 3", "models[0].revision", 'put it in quotes: revision: "1.1"'],
        ),
        ("models:\n- source: org/name\n  inputs: {task_id: no}", ["line 3", "inputs.task_id", "must be a number"]),
        ("models:\n- source: org/name\n  inputs: 3", ["line 3", "must be a mapping"]),
        ("models:\n- source: org/name\n  output: 3", ["line 3", "models[0].output"]),
        ("models:\n- source: org/name\n  allow: 3", ["line 3", "list of strings, not a number"]),
        ("models:\n- source: org/name\n  allow_code: yes please", ["must be true or false, not a text"]),
        ("models:\n- source: org/name\n  quantize: int4", ["line 3", "must be one of none, int8, not 'int4'"]),
        ("models:\n- source: org/name\n  weights: pickle", ["line 3", "one of auto, onnx, safetensors"]),
        (
            "models:\n- source: org/name\n  token_env: NOT_SET",
            ["environment variable NOT_SET, which is not set"],
        ),
        ("models:\n- source: org/name\n  name: a/b", ["line 2", "neither slashes"]),
        ("models:\n- source: org/name\n  batching: 3", ["line 3", "must be a mapping"]),
        (
            "models:\n- source: org/name\n  batching: {instance: 2}",
            ["unknown key 'instance'", "did you mean 'instances'?"],
        ),
        ("models:\n- source: org/name\n  batching: {instances: 1.5}", ["must be a whole number, not 1.5"]),
        ("models:\n- source: org/name\n  batching: {instances: -1}", ["instances is negative"]),
        ("models:\n- source: org/name@a\n  revision: b", ["'b' contradicts the source hf://org/name@a"]),
        ("models:\n- source: pkg://a/b\n  revision: b", ["only Hub sources have revisions"]),
        ("models:\n- source: pkg://a/b\n  ignore: [x]", ["allow and ignore are for Hub sources"]),
        ("models:\n- source: ./missing", ["line 2", "there is no such folder"]),
        ("models:\n- source: org/name\n  source: org/other", ["line 3", "this key appears twice"]),
        ("models:\n- source: a/b\n  name: x\n- source: c/d\n  name: x", ["two models are called 'x'"]),
        ("models:\n- source: 'org/name", ["line 2", "not YAML"]),
        ("models: &a [*a]", ["must be a mapping"]),
        ("models: " + "[" * 3000, ["naiad.yaml"]),
        ("models:\n- source: !!python/object/apply:os.getcwd []", ["not YAML"]),
    ],
)
def test_mistakes_name_the_place_and_the_fix(text: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "naiad.yaml").write_text(text)
    with pytest.raises(InvalidConfiguration) as caught:
        read_manifest(tmp_path / "naiad.yaml")
    assert [word for word in ("naiad.yaml", *words) if word not in caught.value.message] == []
    assert "hf_secret" not in caught.value.message


def test_nested_aliases_do_not_explode(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(InvalidConfiguration, match="unknown key"):
        manifest_from_yaml("\n".join(lines), tmp_path / "naiad.yaml")


@given(st.text(alphabet=st.sampled_from("models: \n-[]{}&*!'\"source:/name@1.#|>"), max_size=60))
def test_any_text_is_a_manifest_or_one_clear_error(text: str) -> None:
    problem = "naiad.yaml"
    try:
        manifest_from_yaml(text, Path("naiad.yaml"))
    except InvalidConfiguration as error:
        problem = error.message
    assert problem.startswith("naiad.yaml")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no manifest"):
        read_manifest(tmp_path / "naiad.yaml")
    (tmp_path / "naiad.toml").write_text("x")
    with pytest.raises(InvalidConfiguration, match=r"a manifest is a \.yaml file"):
        read_manifest(tmp_path / "naiad.toml")
    (tmp_path / "naiad.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InvalidConfiguration, match="is not UTF-8 text"):
        read_manifest(tmp_path / "naiad.yaml")
    with pytest.raises(InvalidConfiguration, match="cannot be read: Is a directory"):
        read_manifest(tmp_path)
