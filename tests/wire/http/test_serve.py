"""`/serve/…` over real workers: what ClearML-Serving's classes may do, and all that can go wrong in them."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from naiad.repository import read_manifest
from naiad.testing import RunningServer, running_server

CONFIG = """
backend: "identity"
max_batch_size: 8
input [ { name: "a" data_type: TYPE_INT32 dims: [ 2 ] }, { name: "b" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "c" data_type: TYPE_INT32 dims: [ 2 ] }, { name: "d" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""

ATTACHED = """
    from typing import Any
    import numpy as np
    from clearml import StorageManager

    class Preprocess(object):
        def __init__(self):
            self.loaded = "not yet"

        def load(self, local_file_name: str) -> Any:
            self.loaded = repr(local_file_name)

        def preprocess(self, body: dict, state: dict, collect_custom_statistics_fn=None) -> Any:
            state["kept"] = body.get("kept")
            if collect_custom_statistics_fn:
                collect_custom_statistics_fn({"x": np.float32(body["b"]), "undeclared": 1})
            if body.get("one"):
                return np.zeros((1, 2))
            return [np.array([body["a"]]), [[body["b"]]]]

        def postprocess(self, data: Any, state: dict, collect_custom_statistics_fn=None) -> dict:
            return dict(
                c=data[0], d=data[1], kept=state["kept"], loaded=self.loaded, url=self.model_endpoint.serving_url,
                engine=self.model_endpoint.engine_type, version=self.model_endpoint.version, animal="dog",
            )
"""

OWN = """
    import datetime, os, sys, time
    import numpy as np

    class Loud(Exception):
        pass

    class Preprocess:
        def preprocess(self, body, state, collect_custom_statistics_fn=None):
            if isinstance(body, bytes):
                return {"bytes": len(body), "begin": body[:4]}
            do = (body or {}).get("do")
            if do == "send":
                return {"got": self.send_request(body["to"], body.get("version"), data=body.get("data"))}
            if do == "pre":
                raise ValueError("no good at " + __file__)
            if do == "loud":
                raise Loud("loudly")
            if do == "exit":
                sys.exit("bye")
            if do == "crash":
                os._exit(7)
            if do == "hang":
                time.sleep(3600)
            return body

        def process(self, data, state, collect_custom_statistics_fn=None):
            if (data or {}).get("do") == "process":
                raise RuntimeError("in process")
            return data

        def postprocess(self, data, state, collect_custom_statistics_fn=None):
            do = (data or {}).get("do")
            if do == "post":
                raise KeyError("lost")
            odd = {
                "nan": {"y": [1.0, float("nan")]},
                "inf": np.array([np.inf]),
                "bytes": b"\\xff",
                "object": object(),
                "key": {(1, 2): 3},
                "surrogate": "\\ud800",
                "self": [],
                "plain": {
                    "array": np.arange(3), "number": np.float64(0.5), "flag": np.bool_(True), "text": b"caf\\xc3\\xa9",
                    "set": {1}, "day": datetime.date(2026, 1, 2), "none": None, 5: "five",
                },
            }
            odd["self"].append(odd["self"])
            return odd.get(do, data)
"""

ASYNC = """
    import asyncio

    class Preprocess:
        running = most = 0

        async def process(self, data, state, collect_custom_statistics_fn=None):
            Preprocess.running += 1
            Preprocess.most = max(self.most, self.running)
            got = await self.send_request(endpoint="own", data={"n": data["n"]})
            await asyncio.sleep(data.get("s", 0))
            Preprocess.running -= 1
            return {"got": got, "most": Preprocess.most}

        async def postprocess(self, data, state, collect_custom_statistics_fn=None):
            return data
"""

PACKAGE = {
    "__init__.py": "from .inner.part import word\nimport beside\n\nclass Preprocess:\n"
    "    def process(self, data, state, fn):\n        return {'word': word, 'beside': beside.word}\n",
    "beside.py": "word = 'next door'\n",
    "inner/__init__.py": "",
    "inner/part.py": "word = 'inside'\n",
}

RING = """
    class Preprocess:
        def process(self, data, state, fn):
            here, (to, *others) = self.model_endpoint.serving_url, data["to"]
            return {"here": here, "there": self.send_request(to, data={"to": others})}
"""

MANIFEST = """
models:
  - source: {repository}
endpoints:
  - endpoint: pair
    version: 1
    model: pair
    preprocess: attached.py
    workers: 2
    metrics:
      variable_scalar: ["x=0,1,10"]
      variable_enum: ["animal=cat,dog"]
      variable_value: [kept]
      variable_counter: [b]
  - {{endpoint: pair, version: 3, model: pair, preprocess: attached.py}}
  - {{endpoint: gone, model: nowhere, preprocess: attached.py}}
  - {{endpoint: own, engine: custom, preprocess: own.py}}
  - {{endpoint: side, engine: custom_async, preprocess: side.py}}
  - {{endpoint: group/packed, engine: custom, preprocess: packed}}
  - {{endpoint: ring-a, engine: custom, preprocess: ring.py}}
  - {{endpoint: ring-b, engine: custom, preprocess: ring.py}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("clearml")
    repository = folder / "repository"
    (repository / "pair" / "1").mkdir(parents=True)
    (repository / "pair" / "config.pbtxt").write_text(CONFIG)
    for name, source in (("attached", ATTACHED), ("own", OWN), ("side", ASYNC), ("ring", RING)):
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
    for name, source in PACKAGE.items():
        path = folder / "packed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    manifest = folder / "naiad.yaml"
    manifest.write_text(MANIFEST.format(repository=repository))
    with running_server(*read_manifest(manifest).entries, http_max_input_size=2**20) as running:
        assert running.all_loaded
        yield running


def ask(
    server: RunningServer, path: str, body: Any = b"", kind: str | None = "application/json", **headers: str
) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind is not None:
        sent["Content-Type"] = kind
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("POST", f"/serve/{path}", data, sent)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


def failing(server: RunningServer, do: str) -> tuple[int, str]:
    status, body = ask(server, "own", {"do": do})
    assert list(body) == ["detail"]
    return status, body["detail"]


def series(server: RunningServer, name: str) -> dict[str, float]:
    """Lines of the metrics page that begin so."""
    with urlopen(server.metrics_url) as page:
        lines = page.read().decode().splitlines()
    rows = [line.rpartition(" ") for line in lines if line.startswith(name)]
    return {row[0]: float(row[2]) for row in rows}


@pytest.mark.parametrize("path", ["pair/1", "pair/1/", "pair/01"])
def test_a_model_between_two_hooks(server: RunningServer, path: str) -> None:
    status, body = ask(server, path, {"a": [1, 2], "b": 0.5, "kept": 3})
    expected = {"c": [[1, 2]], "d": [[0.5]], "kept": 3, "loaded": "None", "url": "pair", "engine": "triton"}
    assert (status, body) == (200, {**expected, "version": "1", "animal": "dog"})


def test_without_a_version_the_newest_answers(server: RunningServer) -> None:
    for path in ("pair", "pair/"):
        assert ask(server, path, {"a": [1, 2], "b": 0.5})[1]["version"] == "3"


@pytest.mark.parametrize(
    ("path", "named"), [("pairs", "pairs"), ("pair/2", "pair/2"), ("own/1", "own/1"), ("pair/x", "pair/x")]
)
def test_what_is_not_served(server: RunningServer, path: str, named: str) -> None:
    said = f"Error processing request, endpoint was not found: Model inference endpoint '{named}' not found"
    assert ask(server, path, {}) == (404, {"detail": said})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("v1/chat/completions", "; ClearML has vLLM answer it, which is not run here: send it to a vLLM server"),
        ("v1/embeddings", "; this server has it at /v1/embeddings, without /serve/openai"),
        ("v1/models", "; this server has it at /v1/models, without /serve/openai"),
    ],
)
def test_openais_routes_of_clearml_are_refused_by_name(
    server: RunningServer, method: str, path: str, said: str
) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, f"/serve/openai/{path}", b"{}" if method == "POST" else None)
    answer = connection.getresponse()
    told = json.loads(answer.read())["detail"]
    connection.close()
    assert (answer.status, f"'openai/{path}' not found{said}" in told) == (404, True)


def test_openais_routes_without_a_version_are_refused_by_name(server: RunningServer) -> None:
    assert ask(server, "openai/rerank", {})[1]["detail"].endswith("has it at /v1/rerank, without /serve/openai")
    assert "vLLM" in ask(server, "openai/tokenize", {})[1]["detail"]


def test_a_package_under_a_name_of_two_parts(server: RunningServer) -> None:
    assert ask(server, "group/packed", {}) == (200, {"word": "inside", "beside": "next door"})


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "application/x-www-form-urlencoded"])
def test_raw_bytes(server: RunningServer, kind: str) -> None:
    assert ask(server, "own", b"\x89PNG" if kind == "" else b"PNG!" * 5, kind) == (200, {"bytes": 20, "begin": "PNG!"})


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/x+json", None])
def test_json_bodies(server: RunningServer, kind: str | None) -> None:
    assert ask(server, "own", {"é": [1, None, True]}, kind) == (200, {"é": [1, None, True]})


def test_an_empty_body_is_none(server: RunningServer) -> None:
    assert ask(server, "own", b"") == (200, None)


def test_compressed_bodies(server: RunningServer) -> None:
    small, large = {"n": 1}, {"n": "x" * 500_000}
    for body in (small, large):
        packed = gzip.compress(json.dumps(body).encode())
        assert ask(server, "own", packed, Content_Encoding="gzip") == (200, body)
    status, body = ask(server, "own", b"no gzip at all", Content_Encoding="gzip")
    assert status == 422
    assert "gzip" in body["detail"].lower() or "compress" in body["detail"].lower()


def test_a_body_beyond_the_limit_is_refused_and_the_server_goes_on(server: RunningServer) -> None:
    status, body = ask(server, "own", b'"' + b"x" * 2**20 + b'"')
    assert (status, list(body)) == (400, ["error"])  # the connection's own, as on every route
    packed = gzip.compress(b'"' + b"x" * 2**21 + b'"')
    assert ask(server, "own", packed, Content_Encoding="gzip")[0] in (413, 422)
    assert ask(server, "own", {}) == (200, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "JSON decode error"),
        (b"\xff", "JSON decode error"),
        (b"[" * 90_000, "JSON decode error"),
        (b"[1]", "the body must be a JSON object, not an array"),
        (b"5", "the body must be a JSON object, not a number"),
        (b"null", "the body must be a JSON object, not null"),
    ],
)
def test_bodies_that_cannot_be_read(server: RunningServer, body: bytes, said: str) -> None:
    status, found = ask(server, "own", body)
    assert (status, found["detail"][: len(said)]) == (422, said)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("process", "Error [<class 'RuntimeError'>] processing request: in process"),
        ("post", "Error [<class 'KeyError'>] processing request: 'lost'"),
        ("loud", "Error [<class 'Preprocess.Loud'>] processing request: loudly"),
        ("exit", "Error [<class 'SystemExit'>] processing request: bye"),
        ("pre", "Error [<class 'ValueError'>] processing request: no good at own.py"),
    ],
)
def test_hooks_that_raise_are_told_as_clearml_tells_them_without_places(
    server: RunningServer, do: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert failing(server, do) == (422, said)
    logged = caplog.records[-1].getMessage()
    assert "Traceback (most recent call last)" in logged
    assert "own.py" in logged
    assert "endpoint/answering.py" not in logged


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("nan", "the hook returned nan at ['y'][1], which JSON cannot hold"),
        ("inf", "the hook returned inf at [0], which JSON cannot hold"),
        ("bytes", "the hook returned bytes that are not UTF-8 text"),
        ("object", "the hook returned a object, which JSON cannot hold"),
        ("key", "the hook returned a dictionary with the key (1, 2); keys must be strings"),
        ("surrogate", "the hook returned a string that is not valid Unicode"),
        ("self", "the hook returned "),
    ],
)
def test_what_json_cannot_hold(server: RunningServer, do: str, said: str) -> None:
    status, detail = failing(server, do)
    begin = f"Error [<class 'ValueError'>] processing request: {said}"
    assert (status, detail[: len(begin)]) == (422, begin)


def test_what_json_can_hold_after_all(server: RunningServer) -> None:
    expected = {"array": [0, 1, 2], "number": 0.5, "flag": True, "text": "café", "set": [1], "day": "2026-01-02"}
    assert ask(server, "own", {"do": "plain"}) == (200, {**expected, "none": None, "5": "five"})


def test_a_crash_costs_its_request_and_nothing_else(server: RunningServer) -> None:
    status, detail = failing(server, "crash")
    assert status == 500
    assert "exited with status 7; another one is started" in detail
    assert ask(server, "own", {"n": 1}) == (200, {"n": 1})
    assert series(server, 'naiad_worker_restarts_total{model="own.serve"')


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            {"a": [1, 2, 3], "b": 1},
            500,
            r"Error \[AioRpcError\] processing request: status=StatusCode.INVALID_ARGUMENT: ",
        ),
        ({"a": ["x", "y"], "b": 1}, 422, r"Error \[<class 'ValueError'>\] processing request: invalid literal for int"),
        (
            {"b": 1, "one": 1},
            422,
            r".*preprocess must return a list of 2 arrays, in the order a, b; it returned a ndarray",
        ),
    ],
)
def test_data_that_does_not_suit_the_model(server: RunningServer, body: Any, status: int, said: str) -> None:
    found, answer = ask(server, "pair/1", body)
    assert found == status
    assert re.match(said, answer["detail"])


def test_a_model_that_is_not_there(server: RunningServer) -> None:
    status, body = ask(server, "gone", {"a": [1, 2], "b": 1})
    assert status == 500
    assert "status=StatusCode.UNAVAILABLE: Request for unknown model: 'nowhere' is not found" in body["detail"]


@pytest.mark.parametrize(("to", "version"), [("pair", "1"), ("pair", 1), ("/pair/1", None), ("pair", None)])
def test_send_request(server: RunningServer, to: str, version: Any) -> None:
    body = {"do": "send", "to": to, "version": version, "data": {"a": [1, 2], "b": 0.5}}
    assert ask(server, "own", body)[1]["got"]["c"] == [[1, 2]]


@pytest.mark.parametrize(
    ("to", "version", "why"),
    [
        ("nowhere", None, "'nowhere.serve' is not found"),
        ("pair", "2", "version 2 is not found"),
        ("pair", "x", "there is no version 'x'"),
        ("own", None, "endpoint 'own' would wait for itself: own > own"),
        ("pair", "1", "processing request: 'b'"),
    ],
)
def test_send_request_gives_none_where_it_fails_and_says_why_in_the_log(
    server: RunningServer, to: str, version: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(server, "own", {"do": "send", "to": to, "version": version, "data": {}}) == (200, {"got": None})
    assert any(why in record.getMessage() for record in caplog.records)


def test_endpoints_that_ask_each_other_in_a_ring_end(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """The second would wait for the worker of the first, which waits for it."""
    status, body = ask(server, "ring-a", {"to": ["ring-b", "ring-a", "ring-b"]})
    assert (status, body["there"]) == (200, {"here": "ring-b", "there": None})
    said = "endpoint 'ring-a' would wait for itself: ring-a > ring-b > ring-a"
    assert any(said in record.getMessage() for record in caplog.records)


def test_coroutines_run_side_by_side_in_one_worker(server: RunningServer) -> None:
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(ask, server, "side", {"n": n, "s": 0.3}) for n in range(8)]
        found = [future.result() for future in futures]
    assert [body["got"] for _, body in found] == [{"n": n} for n in range(8)]
    assert max(body["most"] for _, body in found) > 2


def test_statistics_are_series_of_the_right_kind(server: RunningServer) -> None:
    before = series(server, "pair_1:")
    for b in (0.5, 5, 50):
        assert ask(server, "pair/1", {"a": [1, 2], "b": b, "kept": 7})[0] == 200
    assert ask(server, "pair/1", {"a": [1]})[0] == 422
    name = 'pair_1:x_bucket{le="'
    wanted = {"pair_1:x_count": 3, "pair_1:x_sum": 55.5, f'{name}0"}}': 0, f'{name}1"}}': 1, f'{name}10"}}': 2}
    wanted |= {f'{name}+Inf"}}': 3, 'pair_1:animal_bucket{enum="dog"}': 3, 'pair_1:animal_bucket{enum="cat"}': 0}
    wanted |= {"pair_1:_count_total": 3, "pair_1:_latency_count": 3, "pair_1:b_total": 55.5}
    after: dict[str, float] = {}
    for _ in range(100):  # a worker tells of a request when it has answered it
        after = series(server, "pair_1:")
        if after["pair_1:_count_total"] - before["pair_1:_count_total"] >= 3:
            break
        threading.Event().wait(0.02)
    assert {key: after[key] - before[key] for key in wanted} == pytest.approx(wanted)
    assert after["pair_1:kept"] == 7
    assert "pair_1:undeclared" not in " ".join(after)


def test_where_the_time_goes(server: RunningServer) -> None:
    labels = '{model="pair.serve",version="1"}'
    assert series(server, "naiad_preprocess_workers")[f"naiad_preprocess_workers{labels}"] == 2
    assert 0 <= series(server, "naiad_preprocess_starved_ratio")[f"naiad_preprocess_starved_ratio{labels}"] <= 1
    assert series(server, "naiad_preprocess_requests_under_way")[f"naiad_preprocess_requests_under_way{labels}"] == 0
    assert not [row for row in series(server, "naiad_preprocess_starved") if "own.serve" in row]


@pytest.mark.parametrize("model", ["pair.serve", "pair"])
def test_a_starved_model_is_explained_under_both_names(server: RunningServer, model: str) -> None:
    begun, is_over = threading.Event(), threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            ask(server, "pair/3", {"a": [1, 2], "b": 1})
            begun.set()

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(go_on)
        begun.wait(30)
        with urlopen(f"{server.url}/v2/models/{model}/explain?seconds=0.5") as answer:
            told = json.loads(answer.read())
        is_over.set()
        asking.result()
    said = " ".join(told["parts"].values())
    assert "starved: the model waited" in said
    assert "Send more requests at the same time" in said


def test_an_endpoint_without_a_model_of_its_name_is_explained_by_its_own(server: RunningServer) -> None:
    with urlopen(f"{server.url}/v2/models/own/explain?seconds=0.1") as answer:
        told = json.loads(answer.read())
    assert told["model"] == "own.serve"
    assert list(told["parts"]) == ["Preprocess", "What to change"]


def test_what_runs_for_a_traced_request_is_part_of_its_trace(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    entries = read_manifest(server_folder(server) / "naiad.yaml").entries
    traced = ("rate=1", "level=TIMESTAMPS", "triton,log-frequency=1", f"triton,file={file}")
    with running_server(*entries, trace_config=traced) as own:
        assert ask(own, "pair/1", {"a": [1, 2], "b": 0.5})[0] == 200
    rows = [row for path in tmp_path.glob("trace.json*") for row in json.loads(path.read_text())]
    ids = {row["id"]: row for row in rows if "model_name" in row}
    (model,) = [row for row in ids.values() if row["model_name"] == "pair"]
    assert ids[model["parent_id"]]["model_name"] == "pair.serve"


def server_folder(server: RunningServer) -> Path:
    """Where the manifest of the fixture lies."""
    endpoint = server.server.catalog.find("own.serve").endpoint  # type: ignore[attr-defined]
    return Path(endpoint.code).parent


def test_a_client_that_leaves_leaves_nothing_behind(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("POST", "/serve/side", b'{"n": 1, "s": 0.5}', {"Content-Type": "application/json"})
    connection.close()
    assert ask(server, "side", {"n": 2})[1]["got"] == {"n": 2}
    row = 'naiad_preprocess_requests_under_way{model="side.serve",version="1"}'
    for _ in range(100):
        if not (left := series(server, row)[row]):
            break
        threading.Event().wait(0.02)
    assert left == 0


def test_the_method_is_post(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", "/serve/own")
    assert connection.getresponse().status == 405
    connection.close()


def test_names_of_series(tmp_path: Path) -> None:
    del tmp_path
    from naiad.serving.endpoints.series import series_name

    assert series_name("nlp-x/bert.v2/3", "a b(c)") == "nlp_x_bert_v2_3:a_b_c_"
    assert series_name("2d", "x") == "_2d:x"
