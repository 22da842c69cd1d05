"""The same ensembles and requests at NVIDIA's own server and at ours, where `make test-triton` has set it up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from identity_in_python import identity_in_python
from writing import chain, ensemble, part, step, write

from naiad.proto.pool import message_class
from naiad.testing import running_server

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "differences.md"
SERVICE = "/inference.GRPCInferenceService/"

IDENTITY = identity_in_python("X", "Y")
ROWS = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for row in triton.get_input_tensor_by_name(request, "X").as_numpy():
                sender.send(triton.InferenceResponse([triton.Tensor("Y", row[None])]))
            sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
FAILS = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(triton.get_input_tensor_by_name(request, "X").as_numpy()) for request in requests]

    def answer(self, array):
        if array[0] == 1:
            return triton.InferenceResponse(error=triton.TritonError("broken"))
        if array[0] == 2:
            return triton.InferenceResponse([])
        return triton.InferenceResponse([triton.Tensor("Y", array)])
"""
STREAM = "model_transaction_policy { decoupled: true }"
LABELS = "zero\none\ntwo\n"

PARTS = {
    "p": part(),
    "p8": part(8, "1"),
    "pf": part(datatype="FP32"),
    "d": part(8, "1", more=STREAM),
    "f": part(backend="python"),
    "l": part(datatype="FP32").replace('name: "Y"', 'name: "Y" label_filename: "labels.txt"'),
}
AB = ({"X": "a"}, {"Y": "b"})
GOOD = {
    "chain": ensemble(chain("p:at", "p:tu", "p:ub")),
    "fan": ensemble(chain("p:at", "p:tb", "p:ac"), outputs="bc"),
    "tap": ensemble(chain("p:ab", "p:bc"), outputs="bc"),
    "batched": ensemble(chain("p8:ab"), rows=8, dims="1"),
    "mixed": ensemble(chain("p:at", "p8:tb"), rows=4, dims="1"),
    "flat": ensemble(chain("p8:ab"), dims="-1, 1"),
    "outer": ensemble(step("chain", {"a": "a"}, {"b": "t"}) + chain("p:tb")),
    "labelled": ensemble(chain("l:ab"), datatype="FP32"),
    "rows": ensemble(chain("d:at", "p8:tb"), rows=8, dims="1"),
    "fails": ensemble(chain("p:at", "f:tb")),
    "behind": ensemble(chain("f:at", "p:tb")),
    "nested": ensemble(step("behind", {"a": "a"}, {"b": "b"})),
}
WRONG = {
    "missing": ensemble(chain("nope:ab")),
    "version": ensemble(step("p", *AB, 7)),
    "types": ensemble(chain("pf:ab")),
    "shape": ensemble(chain("p8:ab"), dims="3, 3"),
    "toobig": ensemble(chain("p8:ab"), rows=16, dims="1"),
    "noinput": ensemble(step("p", {"Z": "a"}, {"Y": "b"})),
    "nooutput": ensemble(step("p", {"X": "a"}, {"Z": "b"})),
    "self": ensemble(step("self", {"a": "a"}, {"b": "b"})),
    "c1": ensemble(step("c2", {"a": "a"}, {"b": "b"})),
    "onmissing": ensemble(step("missing", {"a": "a"}, {"b": "b"})),
    "mixed_streams": ensemble(chain("d:ab", "p8:ac"), outputs="bc", rows=8, dims="1"),
    "backend": 'backend: "python"\n' + ensemble(chain("p:ab")),
    "group": ensemble(chain("p:ab"), more="instance_group { count: 1 }"),
    "optimization": ensemble(chain("p:ab"), more="optimization { }"),
    "warmup": ensemble(chain("p:ab"), more='model_warmup { name: "x" batch_size: 1 }'),
    "nostep": ensemble(""),
    "noscheduling": ensemble("").replace("ensemble_scheduling {  }", ""),
    "platform": ensemble(chain("p:ab")).replace('"ensemble"', '"onnxruntime_onnx"'),
    "nomodel": ensemble(step("", *AB)),
    "noinputs": ensemble(step("p", {}, {"Y": "b"})),
    "nooutputs": ensemble(step("p", {"X": "a"}, {})),
    "twice": ensemble(chain("p:ab", "p:ab")),
    "unusedinput": ensemble(chain("p:ab"), inputs="az"),
    "unusedoutput": ensemble(chain("p:ab"), outputs="bz"),
    "unwritten": ensemble(chain("p:qb", "p:az"), outputs="bz"),
    "circle": ensemble(chain("p:qb", "p:bq"), inputs=""),
    "unused": ensemble(chain("p:ab", "p:az")),
    "noname": ensemble(step("p", {"X": ""}, {"Y": "b"})),
    "negative": ensemble(chain("p:ab"), rows=-1),
    "notensors": ensemble(chain("p:ab"), inputs="", outputs=""),
}
CIRCLE_BACK = {"c2": ensemble(step("c1", {"a": "a"}, {"b": "b"}))}
OURS_ALONE = {
    "An ensemble needs no version folder.": "noversion",
    "An ensemble with a step that writes to one of its inputs is refused.": "loop",
}
"""Sentence of the page → the model whose load is answered otherwise."""
OTHERS = {"noversion": ensemble(chain("p:ab")), "loop": ensemble(chain("p:aa"), outputs="a")}

DIFFERENT = "An ensemble gives each of its outputs alone."
"""What the page says of the requests that are answered otherwise."""


def infer(*values: int, shape: list[int] | None = None, outputs: str = "", datatype: str = "INT32", **more: Any) -> Any:
    tensor = {"name": "a", "datatype": datatype, "shape": shape or [len(values)], "data": list(values)}
    return {"inputs": [tensor], **({"outputs": [{"name": name} for name in outputs]} if outputs else {}), **more}


CASES: dict[str, tuple[str, Any]] = {
    "a chain": ("chain", infer(1, 2)),
    "an id and parameters": ("chain", infer(1, id="me", parameters={"mine": 3, "priority": 1, "timeout": 1000})),
    "a sequence": ("chain", infer(1, parameters={"sequence_id": 7, "sequence_start": True})),
    "the end of a named sequence": ("chain", infer(1, parameters={"sequence_id": "x", "sequence_end": True})),
    "an ensemble of an ensemble": ("outer", infer(1, 2)),
    "two outputs": ("fan", infer(1, 2)),
    "one of two outputs": ("fan", infer(1, outputs="b")),
    "the other of two outputs": ("fan", infer(1, outputs="c")),
    "both, one behind the other": ("tap", infer(1)),
    "rows": ("batched", infer(1, 2, shape=[2, 1])),
    "rows above the limit": ("batched", infer(*range(9), shape=[9, 1])),
    "one row through models with and without rows": ("mixed", infer(1, shape=[1, 1])),
    "two rows that a model without rows does not take": ("mixed", infer(1, 2, shape=[2, 1])),
    "a batch in an ensemble without rows": ("flat", infer(1, 2, shape=[2, 1])),
    "a shape that the ensemble does not take": ("chain", infer(1, shape=[1, 1])),
    "a batch that the part does not take": ("flat", infer(*range(9), shape=[9, 1])),
    "another datatype": ("chain", infer(1, datatype="INT64")),
    "an unknown output": ("chain", infer(1, outputs="z")),
    "no input": ("chain", {"inputs": []}),
    "an unknown input": ("chain", {"inputs": [{"name": "z", "datatype": "INT32", "shape": [1], "data": [1]}]}),
    "classes": (
        "labelled",
        {**infer(1, 3, 2, datatype="FP32"), "outputs": [{"name": "b", "parameters": {"classification": 2}}]},
    ),
    "a step that gives nothing, last": ("fails", infer(2)),
    "a step that gives nothing, and one that needs it": ("behind", infer(2)),
    "the same below another ensemble": ("nested", infer(2)),
    "a stream over HTTP": ("rows", infer(1, 2, shape=[2, 1])),
}
ALONE: dict[str, tuple[str, Any]] = {
    "the first of two, one behind the other": ("tap", infer(1, outputs="b")),
    "the second": ("tap", infer(1, outputs="c")),
}


def write_all(folder: Path, backend: str) -> Path:
    for name, text in {**PARTS, **GOOD, **WRONG, **CIRCLE_BACK, **OTHERS}.items():
        code = {"model.py": {"d": ROWS, "f": FAILS}.get(name, IDENTITY)}
        if name not in PARTS or (backend != "python" and name != "f"):
            code = {}
        write(folder, name, text.replace('"identity"', f'"{backend}"'), files=code)
    (folder / "l" / "labels.txt").write_text(LABELS)
    (folder / "noversion" / "1").rmdir()
    return folder


class Server:
    def __init__(self, http: int, channel: Any) -> None:
        self.http, self.channel = http, channel

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Status and body, whatever the order of outputs and keys."""
        connection = HTTPConnection("127.0.0.1", self.http, timeout=60)
        connection.request(method, f"/v2/{path}", None if document is None else json.dumps(document))
        response = connection.getresponse()
        body = json.loads(response.read() or b"null")
        connection.close()
        if isinstance(body, dict) and "outputs" in body:
            body["outputs"].sort(key=lambda one: one["name"])
        return response.status, body

    def stream(self, model: str, values: list[int]) -> list[Any]:
        request = message_class("ModelInferRequest")(model_name=model)
        request.inputs.add(name="a", datatype="INT32", shape=[len(values), 1]).contents.int_contents.extend(values)
        call = self.channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([request.SerializeToString()]), timeout=60)
        told = [message_class("ModelStreamInferResponse").FromString(raw) for raw in call]
        return [(one.error_message, list(one.infer_response.raw_output_contents)) for one in told]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[Server, Server]]:
    """The real server, and ours."""
    folder = tmp_path_factory.mktemp("models")
    names = tuple(GOOD)
    options = ("--model-control-mode=explicit", *(f"--load-model={name}" for name in names))
    with ExitStack() as stack:
        triton = stack.enter_context(real_triton(write_all(folder / "triton", "python"), folder / "log", options))
        ours = stack.enter_context(
            running_server(
                str(write_all(folder / "naiad", "identity")), model_control_mode="explicit", load_model=names
            )
        )
        channels = [stack.enter_context(grpc.insecure_channel(one)) for one in (triton.grpc, ours.grpc_address)]
        yield Server(triton.http[1], channels[0]), Server(ours.server.http_port, channels[1])


@pytest.mark.parametrize("name", CASES)
def test_requests_are_answered_as_at_triton(servers: tuple[Server, Server], name: str) -> None:
    model, document = CASES[name]
    theirs, ours = (server.ask("POST", f"models/{model}/infer", document) for server in servers)
    assert ours == theirs


def test_streams_are_those_of_triton(servers: tuple[Server, Server]) -> None:
    theirs, ours = (server.stream("rows", [5, 6, 7]) for server in servers)
    assert ours == theirs
    assert len(ours) == 3


@pytest.mark.parametrize("name", ALONE)
def test_an_output_alone_is_given_here(servers: tuple[Server, Server], name: str) -> None:
    model, document = ALONE[name]
    theirs, ours = (server.ask("POST", f"models/{model}/infer", document) for server in servers)
    assert (theirs[0], ours[0]) == (400, 200)


@pytest.mark.parametrize("model", ["fails", "behind", "nested"])
def test_a_failing_step_says_as_much_as_at_triton_and_where_it_was(servers: tuple[Server, Server], model: str) -> None:
    theirs, ours = (server.ask("POST", f"models/{model}/infer", infer(1)) for server in servers)
    assert (ours[0], ours[1]["error"].partition(" (step ")[0]) == (theirs[0], theirs[1]["error"])
    assert ours[1]["error"].endswith("model 'f')")


@pytest.mark.parametrize("name", GOOD)
def test_metadata_and_configuration_are_those_of_triton(servers: tuple[Server, Server], name: str) -> None:
    for path in (f"models/{name}", f"models/{name}/config", f"models/{name}/ready"):
        theirs, ours = (server.ask("GET", path) for server in servers)
        if path.endswith("config"):
            assert ours[1]["ensemble_scheduling"].pop("max_inflight_requests") == 0, "a field newer than 2.51"
        assert ours == theirs


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_loaded_is_refused_as_at_triton(servers: tuple[Server, Server], name: str) -> None:
    theirs, ours = (server.ask("POST", f"repository/models/{name}/load", {}) for server in servers)
    assert ours == theirs
    assert ours[0] >= 400


@pytest.mark.parametrize("sentence", OURS_ALONE)
def test_loads_that_are_answered_otherwise(servers: tuple[Server, Server], sentence: str) -> None:
    name = OURS_ALONE[sentence]
    theirs, ours = (server.ask("POST", f"repository/models/{name}/load", {}) for server in servers)
    assert ours[0] != theirs[0]


def counted(server: Server, model: str) -> Any:
    (row,) = server.ask("GET", f"models/{model}/stats")[1]["model_stats"]
    return (
        row["inference_count"],
        row["execution_count"],
        {name: stage["count"] for name, stage in row["inference_stats"].items()},
        [(batch["batch_size"], batch["compute_infer"]["count"]) for batch in row["batch_stats"]],
        row["response_stats"],
    )


def test_ensembles_and_steps_are_counted_as_at_triton(servers: tuple[Server, Server]) -> None:
    found = []
    for server in servers:
        for name in ("chain", "batched", "p8"):
            server.ask("POST", f"repository/models/{name}/unload")
        for name in ("p8", "chain", "batched"):
            server.ask("POST", f"repository/models/{name}/load", {})
        for _ in range(2):
            server.ask("POST", "models/chain/infer", infer(1, 2))
        server.ask("POST", "models/batched/infer", infer(1, 2, 3, shape=[3, 1]))
        found.append([counted(server, name) for name in ("chain", "batched", "p8")])
    assert found[1] == found[0]


def ready(server: Server) -> set[str]:
    return {row["name"] for row in server.ask("POST", "repository/index")[1] if row.get("state") == "READY"}


def test_the_same_story_of_loads_and_unloads(servers: tuple[Server, Server]) -> None:
    story = [
        ("p", "unload", {}),
        ("p", "load", {}),
        ("outer", "unload", {"parameters": {"unload_dependents": True}}),
        ("chain", "unload", {"parameters": {"unload_dependents": True}}),
        ("outer", "load", {}),
        ("outer", "unload", {}),
        ("outer", "load", {}),
    ]
    for server in servers:
        for name in (*WRONG, *OTHERS):
            server.ask("POST", f"repository/models/{name}/unload")
    for model, action, document in story:
        answers = [server.ask("POST", f"repository/models/{model}/{action}", document) for server in servers]
        states = [ready(server) for server in servers]
        asked = [server.ask("POST", "models/chain/infer", infer(1)) for server in servers]
        assert (answers[1], states[1], asked[1]) == (answers[0], states[0], asked[0]), (model, action)


def test_the_page_has_every_difference() -> None:
    page = " ".join(PAGE.read_text().split())
    assert [sentence for sentence in (*OURS_ALONE, DIFFERENT) if sentence not in page] == []
