"""The same trace and log settings at NVIDIA's own server and at ours, and the traces that both write.

For where `make test-triton` has set it up.

Answers, statuses and words are equal but for those of DIFFERENT, and each of those has its reason on the page
docs/reference/differences.md.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from naiad.proto.pool import message_class
from naiad.testing import running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "differences.md"

CONFIG = """
name: "ident"
backend: "{backend}"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] }}
"""
PYTHON_MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        inputs = [triton.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [triton.InferenceResponse([triton.Tensor("y", one)]) for one in inputs]
"""

TRACE, OF_MODEL, LOG = "/v2/trace/setting", "/v2/models/ident/trace/setting", "/v2/logging"
Case = tuple[str, str, Any]


def posts(path: str, *bodies: Any) -> list[Case]:
    return [("POST", path, body) for body in bodies]


HTTP: list[Case] = [
    ("GET", TRACE, None),
    ("GET", OF_MODEL, None),
    ("GET", "/v2/models/nope/trace/setting", None),
    ("POST", "/v2/models/nope/trace/setting", {}),
    ("GET", "/v2/models/ident/versions/1/trace/setting", None),
    ("PUT", TRACE, None),
    *posts(
        TRACE, {}, {"trace_rate": "2"}, {"trace_rate": 3}, {"trace_rate": "x"}, {"trace_rate": "0"}, {"trace_rate": 0}
    ),
    *posts(TRACE, {"trace_rate": "99999999999"}, {"trace_rate": True}, {"trace_rate": ["7"]}, {"trace_rate": " 7"}),
    *posts(
        TRACE, {"trace_rate": ""}, {"trace_rate": []}, {"trace_rate": "-1"}, {"trace_rate": "7x"}, {"trace_rate": None}
    ),
    *posts(TRACE, {"trace_count": "5"}, {"trace_count": 5}, {"trace_count": "-1"}, {"trace_count": "-2"}),
    *posts(TRACE, {"trace_count": "x"}, {"trace_count": "99999999999999"}, {"trace_count": None}),
    *posts(TRACE, {"log_frequency": "5"}, {"log_frequency": "x"}, {"log_frequency": 0}, {"log_frequency": None}),
    *posts(TRACE, {"trace_level": ["OFF", "TIMESTAMPS"]}, {"trace_level": "TIMESTAMPS"}, {"trace_level": ["X"]}),
    *posts(TRACE, {"trace_level": []}, {"trace_level": [1]}, {"trace_level": 5}, {"trace_level": ["TENSORS"] * 2}),
    *posts(TRACE, {"trace_level": ["TENSORS", "TIMESTAMPS"]}, {"trace_level": ["OFF"]}, {"trace_level": None}),
    *posts(
        TRACE, {"trace_file": "x"}, {"trace_file": None}, {"trace_mode": "opentelemetry"}, {"foo": "x"}, {"foo": None}
    ),
    *posts(OF_MODEL, {"trace_rate": "11"}, {"trace_file": "a"}, {"trace_rate": "x"}),
    *posts(TRACE, {"trace_rate": "12", "trace_count": "13"}, {"trace_rate": "9", "trace_count": "x"}),
    ("GET", OF_MODEL, None),
    *posts(OF_MODEL, {"trace_rate": None}, {"trace_level": ["TENSORS"], "log_frequency": "3"}, {"trace_level": None}),
    *posts(OF_MODEL, {"log_frequency": None}, {"trace_count": "4"}, {"trace_count": None}),
    *posts(TRACE, dict.fromkeys(("trace_rate", "trace_count"))),
    ("GET", LOG, None),
    ("PUT", LOG, None),
    *posts(LOG, {}, {"log_info": False}, {"log_info": "x"}, {"log_info": 1}, {"log_info": None}, {"log_info": True}),
    *posts(LOG, {"log_warning": "x"}, {"log_error": 1}, {"log_verbose_level": "1"}, {"log_verbose_level": -1}),
    *posts(LOG, {"log_verbose_level": 1.5}, {"log_verbose_level": True}, {"log_verbose_level": 10**20}),
    *posts(LOG, {"log_verbose_level": None}, {"log_verbose_level": 2}, {"log_verbose_level": 0}),
    *posts(LOG, {"log_format": "ISO8601"}, {"log_format": "default"}, {"log_format": "x"}, {"log_format": 5}),
    *posts(LOG, {"log_format": None}, {"log_file": "x"}, {"log_file": 5}, {"log_file": None}, {"foo": 1}),
]

DIFFERENT = {
    "-1": "A `trace_rate` or `log_frequency` below zero is an error.",
    "7x": "A number in a trace setting must be a number as a whole.",
}
"""Rates that are answered otherwise here, and the sentence of the page that says so."""

ONE_WRONG = "If one log setting of a request is wrong, none is changed."

GRPC: list[tuple[str, dict[str, Any]]] = [
    ("Trace", {"model_name": "nope"}),
    ("Trace", {"trace_rate": ["5"]}),
    ("Trace", {"trace_rate": ["x"]}),
    ("Trace", {"trace_rate": ["5", "6"]}),
    ("Trace", {"trace_rate": []}),
    ("Trace", {"trace_count": ["5", "6"]}),
    ("Trace", {"trace_count": ["-3"]}),
    ("Trace", {"log_frequency": ["x"]}),
    ("Trace", {"trace_level": ["OFF", "TENSORS"]}),
    ("Trace", {"trace_level": ["TENSORS"]}),
    ("Trace", {"trace_level": []}),
    ("Trace", {"trace_file": ["x"]}),
    ("Trace", {"trace_file": []}),
    ("Trace", {"trace_mode": ["x"]}),
    ("Trace", {"foo": ["x"]}),
    ("Trace", {"model_name": "ident", "trace_rate": ["77"]}),
    ("Trace", {"model_name": "ident", "trace_rate": []}),
    ("Log", {}),
    ("Log", {"log_info": {"uint32_param": 1}}),
    ("Log", {"log_info": {}}),
    ("Log", {"log_warning": {"string_param": "x"}}),
    ("Log", {"log_verbose_level": {"bool_param": True}}),
    ("Log", {"log_verbose_level": {"uint32_param": 1}}),
    ("Log", {"log_verbose_level": {"uint32_param": 0}}),
    ("Log", {"log_format": {"string_param": "x"}}),
    ("Log", {"log_format": {"uint32_param": 1}}),
    ("Log", {"log_file": {}}),
    ("Log", {"log_file": {"uint32_param": 1}}),
    ("Log", {"foo": {"string_param": "x"}}),
]


class Peer(NamedTuple):
    """A server, and the file that it writes its traces to."""

    http: str
    grpc: str
    file: Path


def repository(folder: Path, backend: str) -> Path:
    (folder / "ident" / "1").mkdir(parents=True)
    (folder / "ident" / "config.pbtxt").write_text(CONFIG.format(backend=backend))
    (folder / "ident" / "1" / "model.py").write_text(PYTHON_MODEL)
    return folder


def options(file: Path) -> tuple[str, ...]:
    return (f"triton,file={file}", "rate=1", "level=TIMESTAMPS", "level=TENSORS")


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[Peer]:
    """The real server."""
    folder = tmp_path_factory.mktemp("triton")
    file = folder / "trace.json"
    tracing = tuple(f"--trace-config={one}" for one in options(file))
    with real_triton(repository(folder / "models", "python"), folder / "log", tracing) as server:
        yield Peer("{}:{}".format(*server.http), server.grpc, file)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Our server with the same model and options."""
    folder = tmp_path_factory.mktemp("naiad")
    models = repository(folder / "models", "identity")
    tracing = options(folder / "trace.json")
    with running_server(str(models), trace_config=tracing, allow_setting_changes=True) as running:
        yield Peer(running.address, running.grpc_address, folder / "trace.json")


def ask(peer: Peer, method: str, path: str, body: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(peer.http, timeout=60)
    connection.request(method, path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    document = json.loads(raw)
    if "trace_file" in document:
        document["trace_file"] = Path(document["trace_file"]).name
    return answer.status, document


def in_one_way(answer: tuple[int, Any]) -> tuple[int, Any]:
    """Without the blank that Triton leaves out over HTTP and not over gRPC."""
    status, document = answer
    if "error" in document:
        document = {"error": document["error"].replace("got:-", "got: -")}
    return status, document


def test_over_http(triton: Peer, ours: Peer) -> None:
    """In one test, since every case stands on those before it."""
    unequal = []
    for case in HTTP:
        theirs, mine = in_one_way(ask(triton, *case)), ask(ours, *case)
        rate = case[2].get("trace_rate") if isinstance(case[2], dict) else None
        if isinstance(rate, str) and rate in DIFFERENT:
            assert (theirs[0], mine[0]) == (200, 400)
            for peer in (triton, ours):
                ask(peer, "POST", TRACE, {"trace_rate": None})
        elif theirs != mine:
            unequal.append((case, theirs, mine))
    assert unequal == []


def test_log_settings_of_which_one_is_wrong(triton: Peer, ours: Peer) -> None:
    info = {}
    for peer in (triton, ours):
        assert ask(peer, "POST", LOG, {"log_info": False, "log_verbose_level": "x"})[0] == 500
        info[peer] = ask(peer, "GET", LOG, None)[1]["log_info"]
        ask(peer, "POST", LOG, {"log_info": True})
    assert (info[triton], info[ours]) == (False, True), ONE_WRONG


def test_over_grpc(triton: Peer, ours: Peer) -> None:
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(peer.grpc)) for peer in (triton, ours)]
        unequal = []
        for kind, fields in GRPC:
            theirs, mine = (call(channel, kind, dict(fields)) for channel in channels)
            if theirs != mine:
                unequal.append((kind, fields, theirs, mine))
    assert unequal == []


def call(channel: Any, kind: str, fields: dict[str, Any]) -> Any:
    name = {"Trace": "TraceSetting", "Log": "LogSettings"}[kind]
    request = message_class(f"{name}Request")()
    if kind == "Trace":
        request.model_name = fields.pop("model_name", "")
    for key, value in fields.items():
        request.settings[key].SetInParent()
        if kind == "Trace":
            request.settings[key].value.extend(value)
        else:
            for field, content in value.items():
                setattr(request.settings[key], field, content)
    try:
        raw = channel.unary_unary(SERVICE + name)(request.SerializeToString(), timeout=60)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    settings = message_class(f"{name}Response").FromString(raw).settings
    return {key: str(settings[key]) for key in settings if key != "trace_file"}


def test_the_traces(triton: Peer, ours: Peer) -> None:
    """Each in a file of its own, which both write at once and whole; ours says of what makes no sense whose it was."""
    for peer in (triton, ours):
        assert ask(peer, "POST", TRACE, {"log_frequency": "1"})[0] == 200
        infer(peer)
        wait_for(peer, 3)
        ask(peer, "POST", TRACE, {"log_frequency": None})
    theirs, mine = (entries(peer) for peer in (triton, ours))
    mine[SENSELESS] = [one for one in mine[SENSELESS] if "model_name" not in one]
    assert {key: sorted(found) for key, found in mine.items()} == {key: sorted(found) for key, found in theirs.items()}
    assert len(mine["over HTTP"]) == len(mine["over gRPC"]) == 15


SENSELESS = "a request without an id"


def wait_for(peer: Peer, files: int) -> None:
    """Both servers write after they have answered, and nothing tells of it."""
    for _ in range(1000):
        if len(list(peer.file.parent.glob("trace.json.*[0-9]"))) == files and not_empty(peer):
            return
        threading.Event().wait(0.01)
    pytest.fail(f"no {files} files of {peer}")


def not_empty(peer: Peer) -> bool:
    return all(path.read_bytes().endswith(b"]") for path in peer.file.parent.glob("trace.json.*[0-9]"))


def infer(peer: Peer) -> None:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.1, 1, 1e10, -0.123456789]}]
    body = {"id": "over HTTP", "inputs": inputs}
    assert ask(peer, "POST", "/v2/models/ident/infer", body)[0] == 200
    assert ask(peer, "POST", "/v2/models/ident/infer", 5)[0] == 500
    raw = np.array([0.1, 1, 1e10, -0.123456789], np.float32).tobytes()
    message = message_class("ModelInferRequest")(
        model_name="ident",
        id="over gRPC",
        inputs=[{"name": "x", "datatype": "FP32", "shape": [1, 4]}],
        raw_input_contents=[raw],
    )
    with grpc.insecure_channel(peer.grpc) as channel:
        channel.unary_unary(SERVICE + "ModelInfer")(message.SerializeToString(), timeout=60)


def entries(peer: Peer) -> dict[str, list[str]]:
    """By request id, what each entry of its trace says, but for the numbers that no two traces share."""
    traces: dict[int, list[dict[str, Any]]] = {}
    for path in peer.file.parent.glob("trace.json.*[0-9]"):
        for entry in json.loads(path.read_bytes()):
            traces.setdefault(entry.pop("id"), []).append(entry)
    found = {}
    for parts in traces.values():
        identity = next((one["request_id"] for one in parts if "request_id" in one), SENSELESS)
        found[identity] = [json.dumps(_without_times(one), sort_keys=True) for one in parts]
    return found


def _without_times(entry: dict[str, Any]) -> Any:
    if "timestamps" not in entry:
        return entry
    assert all(set(stamp) == {"name", "ns"} for stamp in entry["timestamps"])
    return [stamp["name"] for stamp in entry["timestamps"]]


def test_the_page_has_every_difference() -> None:
    page = " ".join(PAGE.read_text().split())
    assert [sentence for sentence in (*DIFFERENT.values(), ONE_WRONG) if sentence not in page] == []
