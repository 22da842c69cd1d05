"""The first run happens in a process of its own, once; what dies there is said in words and takes nobody along."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_graphs import load_encoder, packed_spec, write_graph, write_packed_graph
from onnx import helper

from naiad.backends.onnxruntime.prepared import sharing
from naiad.backends.onnxruntime.prepared.copying import DATA, GRAPH
from naiad.backends.onnxruntime.trial.launch import run_trial
from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed


def order_of(graph: Path, **changes: Any) -> Order:
    return replace(Order(graph, None, (1,), None, {}, os.getpid()), **changes)


@pytest.mark.parametrize("spec", [None, packed_spec()])
def test_orders_cross(spec: Any, tmp_path: Path) -> None:
    order = order_of(tmp_path / "m.onnx", spec=spec, made=tmp_path, constants={"task_id": 4})
    assert order == Order.from_json(order.to_json())


def test_reports_cross() -> None:
    ports = Ports({"x": ("b", 3, None)}, {"y": ()}, {"x": "INT64", "y": "FP32"}, "it does")
    report = Report("no", ports, is_copied=True)
    assert report == Report.from_json(report.to_json())


OLD = '{"error": "", "findings": {"dependence": ""}, "is_copied": true}'
OTHER = '{"error": "", "ports": {"inputs": [], "outputs": []}, "is_copied": true}'


@pytest.mark.parametrize("text", ["", "[]", "{}", OLD, OTHER, "null"])
def test_no_report(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Report.from_json(text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segv", "ended its process with SIGSEGV: an ONNX Runtime kernel accessed memory out of bounds"),
        ("ill", "with SIGILL: ONNX Runtime used an instruction that this processor does not have"),
        ("kill", r"with SIGKILL: the machine probably ran out of memory\. Free memory, or serve a smaller"),
        ("usr1", r"ended its process with SIGUSR1\. Serve another file"),
        ("exit", r"ended its process with status 3 \(it was the graph\)"),
        ("babble", "ended its process with status 0"),
        ("hang", r"did not finish within 1 s\. Serve a smaller"),
    ],
)
def test_how_it_died(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with pytest.raises(LoadFailed, match=rf"{name}\.onnx: the model's first run, in a separate process, .*{words}"):
        run_trial(order_of(tmp_path / f"{name}.onnx"), seconds=1 if name == "hang" else 60, child="dying")


def test_it_does_not_outlive_who_waits(tmp_path: Path) -> None:
    """The server may be killed while a trial hangs."""
    here = str(Path(__file__).parent)
    waits = (
        "import os; from pathlib import Path; from naiad.backends.onnxruntime.trial.launch import run_trial; "
        "from naiad.backends.onnxruntime.trial.order import Order; "
        f"run_trial(Order(Path({str(tmp_path / 'hang.onnx')!r}), None, (1,), None, {{}}, os.getpid()), child='dying')"
    )
    path = os.pathsep.join([here, *filter(None, sys.path)])
    with subprocess.Popen([sys.executable, "-c", waits], env={**os.environ, "PYTHONPATH": path}) as server:
        child = int(wait_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text()))
        server.kill()
    assert wait_for(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_for(holds: Any) -> Any:
    for _ in range(600):
        if value := holds():
            return value
        time.sleep(0.1)
    raise AssertionError("a minute was not enough")


def test_what_a_graph_refuses_is_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nonsense")
    with pytest.raises(LoadFailed, match=r"m\.onnx: ONNX Runtime cannot load this file"):
        run_trial(order_of(tmp_path / "m.onnx"))


def test_tried_once_for_each_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Order] = []

    def count(order: Order) -> Report:
        tried.append(order)
        return run_trial(order)

    monkeypatch.setattr(sharing, "run_trial", count)
    graph = write_packed_graph(tmp_path)
    for _ in range(2):
        load_encoder(graph, packed_spec(), wide_threads=2, prepared_in=tmp_path).close()
    assert [(order.graph, order.threads, order.spec) for order in tried] == [(graph, (1, 2), packed_spec())]


def test_a_model_that_dies_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy and no half of one, so that the next start tries again."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(sharing, "run_trial", partial(run_trial, child="dying"))
    (tmp_path / "model").mkdir()
    graph = write_packed_graph(tmp_path / "model").rename(tmp_path / "model" / "segv.onnx")
    for _ in range(2):
        with pytest.raises(LoadFailed, match="SIGSEGV"):
            load_encoder(graph, packed_spec(), prepared_in=graph.parent)
    assert list((tmp_path / "model").iterdir()) == [graph]


def test_a_graph_that_cannot_be_copied_is_tried_as_it_is(tmp_path: Path) -> None:
    """Whatever is in the way of the copy: here a file lies where its data should."""
    made = tmp_path / "made"
    (made / DATA).mkdir(parents=True)
    report = run_trial(order_of(write_packed_graph(tmp_path), spec=packed_spec(), made=made))
    assert (report.error, report.is_copied) == ("", False)


def test_a_copy_that_was_tried_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    report = run_trial(order_of(write_packed_graph(tmp_path), spec=packed_spec(), made=made, threads=(1, 2)))
    assert (report.error, report.is_copied) == ("", True)
    assert report.ports.inputs["input_ids"] == ("t",)
    assert report.ports.types["embedding"] == "FP32"
    assert {path.name for path in made.iterdir()} >= {GRAPH}


def test_inputs_are_made_up_from_shapes(tmp_path: Path) -> None:
    """Without words about what they mean; what the graph refuses of it is no fault."""
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"])]
    graph = write_graph(tmp_path / "m.onnx", nodes, {"x": ("n", 3)}, {"y": None}, table=np.zeros((1, 2), np.float32))
    ports = Ports({"x": ("n", 3)}, {"y": ("n", 3, 2)}, {"x": "INT64", "y": "FP32"})
    assert run_trial(order_of(graph)) == Report(ports=ports)
