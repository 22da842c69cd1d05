"""Traces of text models and of OpenAI's routes, and spans, from a live server to a collector."""

from __future__ import annotations

import asyncio
import json
import queue
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stations import stations

from naiad.testing import RunningServer, running_server, tiny_checkpoint

STATIONS = set(stations("HTTP_RECV", "HTTP_SEND"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


def post(server: RunningServer, path: str, document: Any, **headers: str) -> Any:
    request = urllib.request.Request(server.url + path, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def embed(server: RunningServer, *texts: str, **headers: str) -> Any:
    return post(server, "/v1/embeddings", {"model": "tiny", "input": list(texts)}, **headers)


def test_one_text_and_many_and_long_ones(checkpoint: Path, tmp_path: Path) -> None:
    """Long ones are tokenised in a thread; many are many jobs."""
    file = tmp_path / "trace.json"
    options = (f"triton,file={file}", "rate=1", "level=TIMESTAMPS")
    with running_server(f"tiny={checkpoint}", trace_config=options) as server:
        embed(server, "hello world")
        embed(server, *(f"text {number}" for number in range(20)))
        embed(server, "hello world " * 1000)
        body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["hello"]}]}
        post(server, "/v2/models/tiny/infer", body)
    traces: dict[int, list[Any]] = {}
    for entry in json.loads(file.read_bytes()):
        if "timestamps" in entry:
            traces.setdefault(entry["id"], []).append(entry["timestamps"][0])
    assert len(traces) == 4
    for moments in traces.values():
        assert {one["name"] for one in moments} == STATIONS
        assert [one["ns"] for one in moments] == sorted(one["ns"] for one in moments)
        names = [one["name"] for one in moments]
        assert names.index("QUEUE_START") < names.index("COMPUTE_START") < names.index("COMPUTE_END")


def test_spans_over_both_doors(checkpoint: Path, collector: tuple[str, queue.SimpleQueue[Any]]) -> None:
    grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    url, received = collector
    options = (
        "mode=opentelemetry",
        "rate=0",
        "level=TIMESTAMPS",
        f"opentelemetry,url={url}",
        "opentelemetry,bsp_schedule_delay=60000",
    )
    caller = "00-{:032x}-00f067aa0ba902b7-01"
    with running_server(f"tiny={checkpoint}", trace_config=options) as server:
        embed(server, "not traced")
        embed(server, "traced", traceparent=caller.format(1))
        with grpc.InferenceServerClient(server.grpc_address) as client:
            text = grpc.InferInput("text", [1], "BYTES")
            text.set_data_from_numpy(_strings("hello"))
            client.infer("tiny", [text], headers={"traceparent": caller.format(2)})
        server.run(lambda: asyncio.sleep(0))
    spans = [span for one in _drain(received) for part in one.resource_spans for span in part.scope_spans[0].spans]
    found = sorted((int.from_bytes(span.trace_id), span.name, bool(span.events)) for span in spans)
    names = ("InferRequest", "compute", "tiny")
    assert found == [(trace_id, name, True) for trace_id in (1, 2) for name in names]


def _strings(*texts: str) -> Any:
    import numpy as np

    return np.array([text.encode() for text in texts], object)


def _drain(received: queue.SimpleQueue[Any]) -> Iterator[Any]:
    while not received.empty():
        yield received.get()
