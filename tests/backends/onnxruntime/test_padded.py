"""Padding: what an exported graph is fed, and what is cut from its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from encoder_graphs import HIDDEN, TABLE, open_encoder, write_graph
from onnx import TensorProto, helper

from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec, TextTokens
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


def echo(folder: Path, length: int | str = "t", **changes: Any) -> Any:
    spec = spec_of("token", 4, position_offset=2, **changes)
    return open_encoder(write_echo(folder, length), spec, sources=LOGITS)


ITEMS = [
    TextTokens(np.array([5, 6, 7]), ("logits",), np.array([0, 1, 1])),
    TextTokens(np.array([8]), ("logits",)),
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
    session = encoder._session

    class Listening:
        def run(self, names: list[str], feeds: dict[str, Any]) -> Any:
            seen.update(feeds)
            return session.run(names, feeds)

    encoder._session = Listening()
    encoder.execute(Batch(ITEMS))
    assert seen["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert seen["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert seen["token_type_ids"].tolist() == [[0, 1, 1], [0, 0, 0]]


def test_rows_are_chosen_after_the_run(tmp_path: Path) -> None:
    encoder = open_encoder(write_echo(tmp_path), spec_of("row", 4), sources=LOGITS)
    items = [TextTokens(np.array([5, 6, 7]), ("logits",), rows=np.array([2, 0])), ITEMS[1]]
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
    encoder = open_encoder(path, spec_of("token", 2), sources={"logits": ("start_logits", "end_logits")})
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
    spec = EncoderSpec("bert", "embedding", (EncoderOutput("embedding", "item", HIDDEN),), 20, layout="padded")
    (result,) = open_encoder(path, spec, sources={"embedding": ("sentence_embedding",)}).execute(
        Batch([TextTokens(np.array([3, 4]), ("embedding",))])
    )
    assert isinstance(result, dict)
    assert np.array_equal(TABLE[[3, 4]].max(axis=0), result["embedding"])


def test_too_long(tmp_path: Path) -> None:
    long = TextTokens(np.arange(21), ("logits",))
    assert [dict, InvalidRequest] == [type(result) for result in echo(tmp_path).execute(Batch([ITEMS[0], long]))]


def test_inputs_of_a_strange_type(tmp_path: Path) -> None:
    path = tmp_path / "f.onnx"
    write_graph(path, [helper.make_node("Identity", ["input_ids"], ["ids"])], {"input_ids": ("b", "t")}, {})

    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.output.append(helper.make_tensor_value_info("ids", TensorProto.FLOAT, ("b", "t")))
    onnx.save(model, path)
    with pytest.raises(LoadFailed, match=r"'input_ids' must be INT64 or INT32, not FP32"):
        open_encoder(path, spec_of("token", 1))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_answers_are_float32_whatever_the_file_computes_in(kind: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["last_hidden_state"], to=kind),
    ]
    path = write_graph(tmp_path / "m.onnx", nodes, {"input_ids": ("b", "t")}, {"last_hidden_state": None}, table=TABLE)
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("last_hidden_state", kind, ("b", "t", HIDDEN)))
    onnx.save(model, path)
    encoder = open_encoder(path, spec_of("token", HIDDEN), sources={"logits": ("last_hidden_state",)})
    for item, result in zip(ITEMS, encoder.execute(Batch(ITEMS)), strict=True):
        assert isinstance(result, dict)
        assert result["logits"].dtype == np.float32
        assert np.allclose(TABLE[item.input_ids], result["logits"], rtol=1e-2)


def write_named(folder: Path, **inputs: Any) -> Path:
    """The sum of all inputs, whatever they are called."""
    nodes = [helper.make_node("Cast", [name], [f"{name}_"], to=TensorProto.FLOAT) for name in inputs]
    nodes.append(helper.make_node("Sum", [f"{name}_" for name in inputs], ["logits"]))
    return write_graph(folder / "m.onnx", nodes, inputs, {"logits": ("b", "t")})


def test_names_of_older_exporters(tmp_path: Path) -> None:
    """Three inputs of TensorFlow's BERT, and Longformer's global attention, which is zero."""
    names = dict.fromkeys(("input_word_ids", "input_mask", "input_type_ids", "global_attention_mask"), ("b", "t"))
    encoder = open_encoder(write_named(tmp_path, **names), spec_of("token", 1), sources=LOGITS)
    first, second = encoder.execute(Batch(ITEMS))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["logits"].tolist() == [[6], [8], [9]]
    assert second["logits"].tolist() == [[9]]


@pytest.mark.parametrize("dims", [(), (1,), ("b", 1)])
def test_inputs_that_are_the_same_for_every_text(dims: tuple[Any, ...], tmp_path: Path) -> None:
    path = write_named(tmp_path, input_ids=("b", "t"), task_id=dims)
    with pytest.raises(LoadFailed, match=r"if task_id is a number, set it by `inputs: \{task_id: NUMBER\}`"):
        open_encoder(path, spec_of("token", 1))
    with pytest.raises(LoadFailed, match="inputs: no input task; the file has input_ids, task_id"):
        open_encoder(path, spec_of("token", 1), constants={"task_id": 4, "task": 4})
    encoder = open_encoder(path, spec_of("token", 1), sources=LOGITS, constants={"task_id": 4})
    first, _ = encoder.execute(Batch(ITEMS))
    assert isinstance(first, dict)
    assert first["logits"].tolist() == [[9], [10], [11]]


def test_rows_that_depend_on_each_other_run_alone(tmp_path: Path) -> None:
    """Each text less the mean of its batch: zero, where it is by itself."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["ids", "mean"], ["logits"]),
    ]
    path = write_graph(tmp_path / "m.onnx", nodes, {"input_ids": ("b", "t")}, {"logits": ("b", "t")})
    wrong = TextTokens(np.arange(21), ("logits",))
    for runs_alone in (True, False):
        encoder = open_encoder(path, spec_of("token", 1, runs_alone=runs_alone), sources=LOGITS)
        first, error, second = encoder.execute(Batch([ITEMS[0], wrong, ITEMS[1]]))
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert isinstance(error, InvalidRequest)
        assert runs_alone == (not first["logits"].any())
        assert runs_alone == (not second["logits"].any())


def test_vectors_of_all_tokens_but_the_first(tmp_path: Path) -> None:
    """BGE-M3 leaves out [CLS]; its row is zero, so that there is one for each token."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Slice", ["rows", "one", "end", "one"], ["colbert_vecs"]),
    ]
    constants = {"one": np.array([1]), "end": np.array([99])}
    outputs = {"colbert_vecs": ("b", "u", HIDDEN)}
    path = write_graph(tmp_path / "m.onnx", nodes, {"input_ids": ("b", "t")}, outputs, table=TABLE, **constants)
    encoder = open_encoder(path, spec_of("token", HIDDEN), sources={"logits": ("colbert_vecs",)})
    first, second = encoder.execute(Batch(ITEMS))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert np.array_equal(first["logits"], np.concatenate([np.zeros((1, HIDDEN)), TABLE[[6, 7]]]))
    assert np.array_equal(second["logits"], np.zeros((1, HIDDEN)))
