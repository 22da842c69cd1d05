"""Exported encoders are described by their ports and config.json, and answer like ours after padding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from small_bert import run, write_modules

from naiad.backends.registry import ENCODERS, find_backend
from naiad.convert.onnx_file import describe_exported_texts, describe_onnx_encoder
from naiad.core.contracts import LoadRequest
from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.encoding.ports import Ports
from naiad.core.errors import InvalidRequest, LoadFailed, Unsupported

HIDDEN = 4

TABLE = np.random.default_rng(0).standard_normal((30, HIDDEN)).astype(np.float32)

BODY = {"input_ids": ("b", "t"), "attention_mask": ("b", "t"), "token_type_ids": ("b", "t")}


def write_graph(path: Path, output: str = "last_hidden_state", kind: int = TensorProto.INT64) -> Path:
    """Each token's row of a table, plus the mean of the rows that the mask lets in: sensitive to padding."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["rows", "weights"], ["inside"]),
        helper.make_node("ReduceSum", ["inside", "middle"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["weights", "middle"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["types", "last"], ["type_column"]),
        helper.make_node("Add", ["rows", "mean"], ["near"]),
        helper.make_node("Add", ["near", "type_column"], [output]),
    ]
    constants = {"table": TABLE, "last": np.array([2]), "middle": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info(name, kind, dims) for name, dims in BODY.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ("b", "t", HIDDEN))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write_config(folder: Path, **config: Any) -> None:
    document = {"model_type": "some-bert", "hidden_size": HIDDEN, "vocab_size": 30, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(document | config))


def expected_states(item: TextTokens) -> Any:
    rows = TABLE[item.input_ids]
    types = 0 if item.type_ids is None else item.type_ids[:, None]
    return rows + rows.mean(axis=0) + types


def open_exported(graph: Path, folder: Path) -> tuple[Any, EncoderSpec]:
    """As the server does."""
    files = describe_exported_texts(graph, folder)
    return find_backend(ENCODERS).load(LoadRequest(files, ("m_0", "m_1"), wide_threads=2)), files.spec


ITEMS = [
    TextTokens(np.array([1, 2, 3, 4, 5]), ("embedding", "last_hidden_state")),
    TextTokens(np.array([7]), ("embedding",)),
    TextTokens(np.array([8, 9, 1]), ("last_hidden_state",), np.array([0, 1, 1])),
]


@pytest.mark.parametrize("output", ["last_hidden_state", "token_embeddings", "output_0"])
@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_states_are_pooled(output: str, kind: int, tmp_path: Path) -> None:
    write_config(tmp_path)
    instances, spec = open_exported(write_graph(tmp_path / "model.onnx", output, kind), tmp_path)
    assert (spec.layout, spec.head, spec.pooling, spec.max_tokens) == ("padded", "embedding", "mean", 64)
    for encoder in instances.all:
        for item, result in zip(ITEMS, run(encoder, ITEMS), strict=True):
            states = expected_states(item)
            wanted = {"embedding": states.mean(axis=0), "last_hidden_state": states}
            assert result.keys() == set(item.outputs)
            for name in item.outputs:
                assert np.allclose(wanted[name], result[name], atol=1e-6)


def test_sentence_files_say_how(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_modules(tmp_path, ("Pooling", {"pooling_mode_cls_token": True}), ("Normalize", {}))
    instances, spec = open_exported(write_graph(tmp_path / "model.onnx"), tmp_path)
    assert (spec.pooling, spec.normalize) == ("cls", True)
    for item, result in zip(ITEMS[:2], run(instances.narrow[0], ITEMS[:2]), strict=True):
        first = expected_states(item)[0]
        assert np.allclose(first / np.linalg.norm(first), result["embedding"], atol=1e-6)


def test_a_wrong_sequence_stands_alone(tmp_path: Path) -> None:
    write_config(tmp_path)
    instances, _ = open_exported(write_graph(tmp_path / "model.onnx"), tmp_path)
    from naiad.core.contracts import Batch

    wrong = TextTokens(np.array([30]), ("embedding",))
    results = instances.narrow[0].execute(Batch([ITEMS[0], wrong, ITEMS[1]]))
    assert [type(result) for result in results] == [dict, InvalidRequest, dict]
    assert [type(result) for result in instances.narrow[0].execute(Batch([wrong]))] == [InvalidRequest]


def describe(folder: Path, outputs: dict[str, tuple[Any, ...]], head: str | None = None, **config: Any) -> Any:
    write_config(folder, **config)
    ports = Ports({"input_ids": ("b", "t"), "attention_mask": ("b", "t")}, outputs)
    return describe_onnx_encoder(folder, ports, head=head)[0]


STATES = {"last_hidden_state": ("b", "t", 4)}


@pytest.mark.parametrize(
    ("outputs", "config", "head", "expected"),
    [
        (STATES, {}, "embedding", [("embedding", "item", 4), ("last_hidden_state", "token", 4)]),
        (
            {**STATES, "sentence_embedding": ("b", 2)},
            {},
            "embedding",
            [("embedding", "item", 2), ("last_hidden_state", "token", 4)],
        ),
        ({"pooler_output": ("b", "h")}, {}, "embedding", [("embedding", "item", 4)]),
        (
            {"logits": ("b", "n")},
            {"id2label": {"0": "a", "1": "b", "2": "c"}},
            "sequence-classification",
            [("logits", "item", 3)],
        ),
        (
            {"logits": ("b", "t", 9)},
            {"architectures": ["XForTokenClassification"]},
            "token-classification",
            [("logits", "token", 9)],
        ),
        ({"logits": ("b", "t", "v")}, {"architectures": ["XForMaskedLM"]}, "masked-lm", [("logits", "row", 30)]),
        (
            {"start_logits": ("b", "t"), "end_logits": ("b", "t")},
            {},
            "question-answering",
            [("logits", "token", 2)],
        ),
    ],
)
def test_what_outputs_mean(
    outputs: dict[str, tuple[Any, ...]], config: dict[str, Any], head: str, expected: list[Any], tmp_path: Path
) -> None:
    spec = describe(tmp_path, outputs, **config)
    assert head == spec.head
    assert expected == [(output.name, output.granularity, output.width) for output in spec.outputs]


def test_positions_of_a_known_family(tmp_path: Path) -> None:
    spec = describe(tmp_path, STATES, model_type="xlm-roberta", pad_token_id=1, max_position_embeddings=514)
    assert (spec.max_tokens, spec.position_offset, spec.pad_token_id) == (512, 2, 1)


def test_a_fixed_length_limits(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert describe_onnx_encoder(tmp_path, Ports({"input_ids": ("b", 32)}, STATES))[0].max_tokens == 32


def test_a_head_that_the_file_has_not(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="needs `logits` of rank 2"):
        describe(tmp_path, STATES, head="sequence-classification")
    with pytest.raises(LoadFailed, match="none of them is an embedding"):
        describe(tmp_path, {"logits": ("b", 2)}, head="embedding")


def test_a_dense_module_behind_the_file(tmp_path: Path) -> None:
    write_modules(
        tmp_path, ("Pooling", {"pooling_mode": "mean"}), ("Dense", {"in_features": 4, "out_features": 2, "bias": False})
    )
    with pytest.raises(Unsupported, match="has Pooling, Dense behind them"):
        describe(tmp_path, STATES)


def test_a_vector_with_the_prompt_in_it(tmp_path: Path) -> None:
    write_modules(tmp_path, ("Pooling", {"pooling_mode": "mean", "include_prompt": False}), ("Normalize", {}))
    spec = describe(tmp_path, {"sentence_embedding": ("b", 4), "token_embeddings": ("b", "t", 4)})
    assert (spec.pooling, spec.normalize, spec.excludes_prompt) == ("mean", True, True)
    with pytest.raises(Unsupported, match=r"include_prompt is false .* set include_prompt to true"):
        describe(tmp_path, {"sentence_embedding": ("b", 4)})


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"pixel_values": ("b", 3, 4, 4)}, "not a text encoder: its inputs are pixel_values"),
        ({"input_ids": ("b", "t"), "past": ("b", "t")}, "not a text encoder"),
        ({"input_ids": (1, "t")}, "batch axis is fixed at 1"),
    ],
)
def test_no_text_encoder(inputs: dict[str, tuple[Any, ...]], words: str, tmp_path: Path) -> None:
    name = next(iter(inputs))
    graph = helper.make_graph(
        [helper.make_node("Cast", [name], ["last_hidden_state"], to=TensorProto.FLOAT)],
        "g",
        [helper.make_tensor_value_info(key, TensorProto.INT64, dims) for key, dims in inputs.items()],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None)],
    )
    write_config(tmp_path)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(LoadFailed, match=words):
        describe_exported_texts(tmp_path / "m.onnx", tmp_path)
