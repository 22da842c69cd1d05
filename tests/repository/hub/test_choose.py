from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import DownloadFailed, InvalidConfiguration
from naiad.repository.hub.choose import CODE, PICKLES, Choice, Selection, choose_files
from naiad.repository.manifest.entry import WEIGHTS

BASE = ["config.json", "tokenizer.json", "tokenizer_config.json"]
INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
SHARDS = sorted(set(INDEX["weight_map"].values()))


def choose(files: list[str], *, knows: bool = True, index: Mapping[str, Any] = INDEX, **selection: Any) -> Choice:
    static = [{"path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}]
    documents: dict[str, Any] = {"config.json": {"model_type": "bert"}, "modules.json": static}
    documents["model.safetensors.index.json"] = index
    return choose_files(files, lambda path: documents[path], lambda config: knows, Selection(**selection))


@pytest.mark.parametrize(
    ("weights_there", "knows", "selection", "expected"),
    [
        (["model.safetensors", "onnx/model.onnx"], True, {}, ["model.safetensors"]),
        (["model.safetensors", "onnx/model.onnx"], False, {}, ["onnx/model.onnx"]),
        (["model.safetensors", "onnx/model.onnx"], True, {"weights": "onnx"}, ["onnx/model.onnx"]),
        (["model.safetensors", "onnx/model.onnx"], False, {"weights": "safetensors"}, ["model.safetensors"]),
        (["model.safetensors"], False, {}, ["model.safetensors"]),
        (["model.safetensors", "pytorch_model.bin", "tf_model.h5"], True, {}, ["model.safetensors"]),
        (["model.safetensors.index.json", *SHARDS], True, {}, ["model.safetensors.index.json", *SHARDS]),
        (["model.onnx", "onnx/model.onnx"], True, {}, ["onnx/model.onnx"]),
        (
            ["model.onnx", "model.onnx_data", "model.onnx_data_1"],
            True,
            {},
            ["model.onnx", "model.onnx_data", "model.onnx_data_1"],
        ),
        (["onnx/model.onnx", "onnx/model.onnx.data"], True, {}, ["onnx/model.onnx", "onnx/model.onnx.data"]),
        (["adapter_config.json", "model.safetensors", "a.onnx"], True, {"weights": "a.onnx"}, ["a.onnx"]),
        (["onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_int8.onnx"], True, {}, ["onnx/model.onnx"]),
        (["onnx/model_fp16.onnx", "onnx/encoder.onnx"], True, {}, ["onnx/encoder.onnx"]),
        (["onnx/model_int8.onnx", "onnx/model_fp16.onnx", "onnx/model_q4.onnx"], True, {}, ["onnx/model_fp16.onnx"]),
        (
            ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data"],
            True,
            {},
            ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data"],
        ),
        (
            ["onnx/model.onnx", "onnx/model_fp16.onnx"],
            True,
            {"allow": ("*.json", "onnx/model_fp16.onnx")},
            ["onnx/model_fp16.onnx"],
        ),
        (
            ["onnx/model.onnx", "onnx/model_q4.onnx", "onnx/model_q4.onnx_data"],
            True,
            {"weights": "onnx/model_q4.onnx"},
            ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data"],
        ),
        (["model.safetensors", "onnx/model.onnx"], True, {"ignore": ("*.safetensors",)}, ["onnx/model.onnx"]),
        (["model.safetensors", "onnx/model.onnx"], False, {"ignore": ("onnx/",)}, ["model.safetensors"]),
    ],
)
def test_which_weights(weights_there: list[str], knows: bool, selection: dict[str, Any], expected: list[str]) -> None:
    choice = choose([*BASE, *weights_there], knows=knows, **selection)
    assert sorted([*BASE, *expected]) == list(choice.files)


NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "1/", "m/", "m/1/", "onnx/", "1_Pooling/", ".git/"]),
    st.sampled_from(["config", "tokenizer", "model", "weights", "model-1", "adapter", "run"]),
    st.sampled_from([".json", ".pbtxt", ".safetensors", ".onnx", ".onnx_data", ".txt", *PICKLES, *CODE]),
)


@given(st.sets(NAMES, max_size=12), st.booleans(), st.sampled_from(WEIGHTS), st.sampled_from([(), ("*",)]))
def test_whatever_lies_there_neither_pickles_nor_code_are_taken(
    names: set[str], knows: bool, weights: str, allow: tuple[str, ...]
) -> None:
    try:
        chosen = choose(sorted(names), knows=knows, weights=weights, allow=allow).files
    except InvalidConfiguration:
        chosen = ()
    assert [path for path in chosen if path.endswith((*PICKLES, *CODE)) or path.startswith(".")] == []
    assert set(chosen) <= names


def test_what_else_is_taken_and_what_is_not() -> None:
    extras = ["modules.json", "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "README.md"]
    left = ["2_Dense/pytorch_model.bin", "modeling.py", ".gitattributes", "data_config.json", "training_args.bin"]
    left += ["openvino/openvino_model.xml", "vocab.txt", "pytorch_model.bin", "flax_model.msgpack", "a.ckpt"]
    assert choose([*BASE, "model.safetensors", *extras, *left]).files == tuple(
        sorted([*BASE, "model.safetensors", *extras])
    )


@pytest.mark.parametrize("body", ["", "0_StaticEmbedding/"])
def test_static_embeddings_need_no_config(body: str) -> None:
    table = [f"{body}model.safetensors", f"{body}tokenizer.json"]
    around = ["config_sentence_transformers.json", "modules.json"]
    files = [*table, *around, "README.md", f"{body}pytorch_model.bin", "onnx/model.onnx"]
    assert choose(files).files == tuple(sorted([*table, *around, "README.md"]))


def test_a_slow_tokenizer_is_taken_where_there_is_no_other() -> None:
    files = ["config.json", "vocab.txt", "model.safetensors"]
    assert choose(files).files == ("config.json", "model.safetensors", "vocab.txt")


def test_config_is_read_only_when_it_decides() -> None:
    def read(path: str) -> Mapping[str, Any]:
        raise AssertionError(path)

    assert choose_files([*BASE, "model.safetensors"], read, lambda config: True, Selection()).files


TRITON = ["a/config.pbtxt", "a/1/model.onnx", "a/labels.txt", "b/2/model.onnx", "README.md", "c.json"]


def test_triton_models_are_taken_whole() -> None:
    assert choose(TRITON).files == ("a/1/model.onnx", "a/config.pbtxt", "a/labels.txt", "b/2/model.onnx")


def test_one_triton_model_at_the_top() -> None:
    assert choose(["config.pbtxt", "1/model.onnx", "labels.txt", "config.json"]).files == (
        "1/model.onnx", "config.json", "config.pbtxt", "labels.txt",
    )  # fmt: skip


def test_code_and_pickles_of_triton_models_stay_behind_and_that_is_said() -> None:
    choice = choose([*TRITON, "a/1/model.py", "a/1/weights.pt", "a/.hidden/x"])
    assert not any("model.py" in path or "weights.pt" in path or "hidden" in path for path in choice.files)
    assert choice.notices == (
        "left out because it is code: a/1/model.py; allow_code takes it (it runs with all rights)",
        "left out because opening it could run code: a/1/weights.pt",
    )


def test_code_comes_when_it_is_asked_for_and_pickles_never() -> None:
    choice = choose([*TRITON, "a/1/model.py", "a/1/weights.pt"], allow_code=True, allow=("*",))
    assert ("a/1/model.py" in choice.files, "a/1/weights.pt" in choice.files) == (True, False)


@pytest.mark.parametrize(
    ("files", "selection", "words"),
    [
        ([], {}, ["neither config.json", "found nothing"]),
        (["README.md", "x.gguf"], {}, ["neither config.json", "config.pbtxt", "found README.md, x.gguf"]),
        (["small/config.json", "large/config.json"], {}, ["did you mean its folder large or small?", "/large"]),
        ([*BASE, "pytorch_model.bin"], {}, ["only as pytorch_model.bin", "save_pretrained", "@refs/pr/1"]),
        (["adapter_config.json", "adapter_model.safetensors"], {}, ["an adapter (PEFT)", "merge_and_unload()"]),
        ([*BASE, "adapter_config.json", "model.safetensors", "onnx/model.onnx"], {}, ["an adapter (PEFT)"]),
        ([*BASE], {}, ["no weights", "model.safetensors"]),
        ([*BASE, "onnx/a.onnx", "onnx/b.onnx"], {}, ["several ONNX files", "onnx/a.onnx, onnx/b.onnx"]),
        ([*BASE, "model.safetensors"], {"weights": "onnx"}, ["there is no onnx file", "model.safetensors"]),
        ([*BASE, "onnx/model.onnx"], {"weights": "x.onnx"}, ["no file 'x.onnx'", "onnx/model.onnx"]),
        (
            [*BASE, "model.safetensors"],
            {"ignore": ("*.json",)},
            ["allow and ignore leave nothing", "config.json is needed"],
        ),
        ([*BASE, "model.safetensors"], {"allow": ("*.txt",)}, ["allow and ignore leave nothing"]),
    ],
)
def test_what_cannot_be_served_is_explained(files: list[str], selection: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        choose(files, **selection)
    assert [word for word in words if word not in caught.value.message] == []


def test_a_shard_that_the_repository_lacks_is_named() -> None:
    with pytest.raises(DownloadFailed, match=r"shard model-00002-of-00002\.safetensors is named by"):
        choose([*BASE, "model.safetensors.index.json", SHARDS[0]])


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}])
def test_a_broken_index_is_refused(index: Mapping[str, Any]) -> None:
    with pytest.raises(DownloadFailed, match="has no 'weight_map'"):
        choose([*BASE, "model.safetensors.index.json", *SHARDS], index=json.loads(json.dumps(index)))


def test_an_index_cannot_name_a_pickle_as_shard() -> None:
    with pytest.raises(DownloadFailed, match="evil"):
        choose([*BASE, "model.safetensors.index.json", "evil.bin"], index={"weight_map": {"a": "evil.bin"}})
