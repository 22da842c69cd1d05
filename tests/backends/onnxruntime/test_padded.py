"""Padding: what an exported graph is fed, and what is cut from its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_graphs import HIDDEN, TABLE, write_graph
from onnx import TensorProto, helper

from naiad.backends.onnxruntime.padded import EncoderFile, PaddedEncoder
from naiad.core.contracts import Batch
from naiad.core.encoder import EncoderOutput, EncoderSpec, TokenSequence
from naiad.core.errors import InvalidRequest, LoadFailed

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def spec_of(granularity: str, width: int, **changes: Any) -> EncoderSpec:
    values = {"max_tokens": 20, "layout": "padded", "pad_token_id": 9, "uses_type_ids": True, **changes}
    return EncoderSpec("bert", "any", (EncoderOutput("logits", granularity, width),), **values)


LOGITS = {"logits": ("logits",)}


def write_echo(folder: Path, length: int | str = "t") -> Path:
    """Logits that are the four inputs themselves."""
    nodes: list[Any] = []
    for name in INPUTS:
        nodes.append(helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Unsqueeze", [f"{name}_float", "last"], [f"{name}_column"]))
    nodes.append(helper.make_node("Concat", [f"{name}_column" for name in INPUTS], ["logits"], axis=2))
    inputs = dict.fromkeys(INPUTS, ("b", length))
    return write_graph(folder / "echo.onnx", nodes, inputs, {"logits": ("b", length, 4)}, last=np.array([2]))


def echo(folder: Path, length: int | str = "t", **changes: Any) -> PaddedEncoder:
    spec = spec_of("token", 4, position_offset=2, **changes)
    return PaddedEncoder(EncoderFile.open(write_echo(folder, length)), spec, LOGITS)


ITEMS = [
    TokenSequence(np.array([5, 6, 7]), ("logits",), np.array([0, 1, 1])),
    TokenSequence(np.array([8]), ("logits",)),
]


@pytest.mark.parametrize("length", ["t", 20])
def test_each_token_sees_its_own_inputs(length: int | str, tmp_path: Path) -> None:
    encoder = echo(tmp_path, length)
    first, second = encoder.execute(Batch(ITEMS))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["logits"].tolist() == [[5, 1, 0, 2], [6, 1, 1, 3], [7, 1, 1, 4]]
    assert second["logits"].tolist() == [[8, 1, 0, 2]]


def test_what_stands_behind_the_end(tmp_path: Path) -> None:
    """Padding tokens, outside the mask, of type 0."""
    encoder = echo(tmp_path)
    seen: dict[str, Any] = {}
    runner = encoder._runner

    class Listening:
        def run(self, names: list[str], feeds: dict[str, Any]) -> Any:
            seen.update(feeds)
            return runner.run(names, feeds)

    encoder._runner = Listening()
    encoder.execute(Batch(ITEMS))
    assert seen["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert seen["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert seen["token_type_ids"].tolist() == [[0, 1, 1], [0, 0, 0]]


def test_rows_are_chosen_after_the_run(tmp_path: Path) -> None:
    encoder = PaddedEncoder(EncoderFile.open(write_echo(tmp_path)), spec_of("row", 4), LOGITS)
    items = [TokenSequence(np.array([5, 6, 7]), ("logits",), rows=np.array([2, 0])), ITEMS[1]]
    first, second = encoder.execute(Batch(items))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["logits"][:, 0].tolist() == [7, 5]
    assert second["logits"].shape == (0, 4)


def test_spans_become_logits_of_width_two(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["start_logits"], to=TensorProto.FLOAT),
        helper.make_node("Neg", ["start_logits"], ["end_logits"]),
    ]
    path = write_graph(
        tmp_path / "spans.onnx",
        nodes,
        {"input_ids": ("b", "t")},
        {"start_logits": ("b", "t"), "end_logits": ("b", "t")},
    )
    encoder = PaddedEncoder(EncoderFile.open(path), spec_of("token", 2), {"logits": ("start_logits", "end_logits")})
    first, second = encoder.execute(Batch(ITEMS))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["logits"].tolist() == [[5, -5], [6, -6], [7, -7]]
    assert second["logits"].tolist() == [[8, -8]]


def test_a_finished_embedding_is_taken_as_it_is(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMax", ["rows"], ["sentence_embedding"], axes=[1], keepdims=0),
    ]
    path = write_graph(
        tmp_path / "m.onnx", nodes, {"input_ids": ("b", "t")}, {"sentence_embedding": ("b", HIDDEN)}, table=TABLE
    )
    spec = EncoderSpec("bert", "embedding", (EncoderOutput("embedding", "sequence", HIDDEN),), max_tokens=20)
    (result,) = PaddedEncoder(EncoderFile.open(path), spec, {"embedding": ("sentence_embedding",)}).execute(
        Batch([TokenSequence(np.array([3, 4]), ("embedding",))])
    )
    assert isinstance(result, dict)
    assert np.array_equal(TABLE[[3, 4]].max(axis=0), result["embedding"])


def test_too_long(tmp_path: Path) -> None:
    long = TokenSequence(np.arange(21), ("logits",))
    assert [dict, InvalidRequest] == [type(result) for result in echo(tmp_path).execute(Batch([ITEMS[0], long]))]


def test_inputs_of_a_strange_type(tmp_path: Path) -> None:
    path = tmp_path / "f.onnx"
    write_graph(path, [helper.make_node("Identity", ["input_ids"], ["ids"])], {"input_ids": ("b", "t")}, {})
    import onnx

    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.output.append(helper.make_tensor_value_info("ids", TensorProto.FLOAT, ("b", "t")))
    onnx.save(model, path)
    with pytest.raises(LoadFailed, match=r"'input_ids' must be int64 or int32, not tensor\(float\)"):
        EncoderFile.open(path)
