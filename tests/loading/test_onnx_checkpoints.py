"""Checkpoint folders with an ONNX file of somebody else's, served from naiad.yaml's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save

from naiad.client import Client
from naiad.convert.record import write_record
from naiad.repository import ModelEntry
from naiad.testing import running_server, tiny_checkpoint

WIDTH = 32
"""tiny_checkpoint's hidden size."""

TABLE = np.random.default_rng(0).standard_normal((500, WIDTH)).astype(np.float32)

MATES = ["hello world"] + ["the river a good movie"] * 7


def write_onnx(folder: Path, name: str, nodes: list[Any], outputs: tuple[str, ...], **inputs: tuple[Any, ...]) -> Path:
    """Put a graph over the rows of a table, `x`, into a checkpoint without other weights."""
    tiny_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    (folder / "modules.json").unlink()
    text = dict.fromkeys(("input_ids", "attention_mask"), ("b", "t"))
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["x"]), *nodes],
        "g",
        [helper.make_tensor_value_info(key, TensorProto.INT64, dims) for key, dims in (text | inputs).items()],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, ("b", "t", WIDTH)) for key in outputs],
        [numpy_helper.from_array(TABLE, "table")],
    )
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return folder


BOTH = [helper.make_node("Identity", ["x"], ["left"]), helper.make_node("Neg", ["x"], ["right"])]


def test_the_manifest_chooses_an_output(tmp_path: Path) -> None:
    folder = write_onnx(tmp_path / "m", "onnx/model_fp16.onnx", BOTH, ("left", "right"))
    entries = [ModelEntry.from_source(f"{name}={folder}", output=name) for name in ("left", "right")]
    with running_server(*entries, str(folder)) as running, Client(running.url) as client:
        left, right = (client.model(name).infer({"text": MATES[:2]})["embedding"] for name in ("left", "right"))
        reasons = {entry.name: entry.reason for entry in client.index()}
    assert np.array_equal(left, -right)
    assert np.abs(left).max() > 0.1
    assert "outputs are left (b, t, 32), right (b, t, 32)" in reasons["m"]
    assert "Choose one with `output: NAME`" in reasons["m"]


def test_the_manifest_sets_an_input(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["task_id"], ["task"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "task"], ["last_hidden_state"]),
    ]
    folder = write_onnx(tmp_path / "m", "model.onnx", nodes, ("last_hidden_state",), task_id=())
    entries = [ModelEntry.from_source(f"n{number}={folder}", inputs={"task_id": number}) for number in (1, 3)]
    with running_server(*entries, str(folder)) as running, Client(running.url) as client:
        one, three = (client.model(name).infer({"text": MATES[:2]})["embedding"] for name in ("n1", "n3"))
        reasons = {entry.name: entry.reason for entry in client.index()}
    assert np.allclose(three, 3 * one)
    assert "if task_id is a number, set it by `inputs: {task_id: NUMBER}`" in reasons["m"]


def test_nobodys_answer_depends_on_strangers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["last_hidden_state"]),
    ]
    folder = write_onnx(tmp_path / "m", "onnx/model_quantized.onnx", nodes, ("last_hidden_state",))
    with running_server(str(folder)) as running, Client(running.url) as client:
        alone = client.model("m").infer({"text": MATES[:1]})["embedding"][0]
        among = client.model("m").infer({"text": MATES})["embedding"]
    assert np.array_equal(alone, among[0])
    assert caplog.text.count("every text runs alone, because") == 1


@pytest.mark.parametrize("independent", [True, False])
def test_what_a_conversion_found_of_company_counts(
    independent: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["last_hidden_state"])]
    folder = write_onnx(tmp_path / "m", "model.onnx", nodes, ("last_hidden_state",))
    gate = {"setting": "default", "rows_are_independent": independent}
    write_record(folder, {"task": "feature-extraction", "precision": "fp32", "by": "exporter", "gate": gate})
    with running_server(str(folder)) as running, Client(running.url) as client:
        assert len(client.model("m").infer({"text": MATES})["embedding"]) == len(MATES)
    found = "every text runs alone, because its conversion found that a text's answer changes in company" in caplog.text
    assert found is not independent


def test_keys_about_onnx_files_and_other_weights(tmp_path: Path) -> None:
    entry = ModelEntry.from_source(f"m={tiny_checkpoint(tmp_path / 'm')}", output="logits")
    with running_server(entry) as running, Client(running.url) as client:
        (found, *_) = [each for each in client.index() if each.name == "m"]
    assert "output and inputs apply to ONNX files only, but this model has other weights" in found.reason


def write_classifier(folder: Path, operator: str, labels: int, output: str = "logits") -> np.ndarray:
    """A graph whose output is a softmax or a sigmoid of the table's row for [CLS]; gives that row."""
    nodes = [
        helper.make_node("Gather", ["x", "first"], ["row"], axis=1),
        helper.make_node("Slice", ["row", "from", "to", "axis"], ["few"]),
        helper.make_node(operator, ["few"], ["shares"]),
        helper.make_node("Identity", ["shares"], [output]),
    ]
    path = write_onnx(folder, "model.onnx", nodes, ()) / "model.onnx"
    model = load(path)
    constants = {"first": np.array(0), "from": np.array([0]), "to": np.array([labels]), "axis": np.array([1])}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ("b", labels)))
    save(model, path)
    config = json.loads((folder / "config.json").read_text())
    names = {str(number): f"label {number}" for number in range(labels)}
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": names, "num_labels": labels}
    (folder / "config.json").write_text(json.dumps(config))
    return TABLE[(folder / "vocab.txt").read_text().split().index("[CLS]"), :labels]


@pytest.mark.parametrize(("output", "chosen"), [("logits", ""), ("probabilities", "probabilities")])
def test_classifiers_that_make_shares_themselves(output: str, chosen: str, tmp_path: Path) -> None:
    row = write_classifier(tmp_path / "m", "Softmax", 3, output)
    entry = ModelEntry.from_source(f"m={tmp_path / 'm'}", output=chosen)
    with running_server(entry) as running, Client(running.url) as client:
        assert running.all_loaded, [each.reason for each in client.index()]
        scores = client.model("m")(["hello world"], parameters={"order": "class"}).scores
    assert np.allclose(scores, np.exp(row) / np.exp(row).sum(), atol=1e-6)


def test_rankers_that_end_in_a_sigmoid(tmp_path: Path) -> None:
    row = write_classifier(tmp_path / "m", "Sigmoid", 1)
    with running_server(str(tmp_path / "m")) as running, Client(running.url) as client:
        assert running.all_loaded, [each.reason for each in client.index()]
        scores = client.model("m")(query="hello", documents=["world", "a good movie"]).score
    assert np.allclose(scores, 1 / (1 + np.exp(-row)), atol=1e-6)


def test_tasks_that_need_logits_refuse_shares(tmp_path: Path) -> None:
    write_classifier(tmp_path / "m", "Softmax", 3)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["id2label"] = {"0": "contradiction", "1": "neutral", "2": "entailment"}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    entry = ModelEntry.from_source(f"m={tmp_path / 'm'}", task="zero-shot-classification")
    with running_server(entry) as running, Client(running.url) as client:
        (found, *_) = [each for each in client.index() if each.name == "m"]
    assert "'zero-shot-classification' needs logits, and the ONNX file ends in a softmax or a sigmoid" in found.reason


@pytest.mark.parametrize("task", ["sparse-embedding", "late-interaction"])
def test_tasks_that_only_safetensors_are_served_for(task: str, tmp_path: Path) -> None:
    folder = write_onnx(tmp_path / "m", "model.onnx", BOTH, ("left", "right"))
    with running_server(ModelEntry.from_source(f"m={folder}", task=task)) as running, Client(running.url) as client:
        (found, *_) = [each for each in client.index() if each.name == "m"]
    assert f"the task {task} is not served from an ONNX file" in found.reason
