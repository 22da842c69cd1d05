"""The way of one request, station by station. Read it after the README's map: every folder appears where it works.

Nothing is replaced here: each station is the real part, and what it gives is asserted before the next one gets it.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import numpy as np

from naiad.backends.identity import IdentityBackend
from naiad.core.contracts import Batch, LoadRequest, TensorFiles
from naiad.core.message import Answer, Deliver, InferRequest, InferResponse
from naiad.modelconfig import finish, parse_pbtxt, prepare
from naiad.protocol.json import infer_answer
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.limits import Limits
from naiad.scheduling.contract import Job
from naiad.scheduling.decision import Run, Situation
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import JobQueue
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.overview import Overview
from naiad.serving.response_sender import ResponseSender
from naiad.serving.tensor_model import TensorModel
from naiad.serving.validation import RequestCheck
from naiad.wire.http.api import http_router
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.http1.connection import HttpConnection
from naiad.wire.http.http1.heads import KnownHeads
from naiad.wire.services import Services

CONFIG = """
name: "echo"
backend: "identity"
max_batch_size: 4
input  { name: "IN"  data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 2 ] }
"""

BODY = b'{"id":"a","inputs":[{"name":"IN","datatype":"FP32","shape":[1,2],"data":[1.5,2]}]}'

HTTP = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Transport(asyncio.Transport):
    """The socket's place: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data


async def test_the_way_of_a_request(tmp_path: Any) -> None:
    # modelconfig: text → what the model says of itself.
    config = finish(prepare(parse_pbtxt(CONFIG), "echo"))
    assert (config.backend, config.max_batch_size, config.inputs[0].dims) == ("identity", 4, (2,))

    # backends: a runtime loads one copy of the model.
    files = TensorFiles(config, "1", tmp_path, tmp_path / "1")
    instances: Any = IdentityBackend().load(LoadRequest(files, ("echo_0",)))
    (instance,) = instances.narrow

    # 1. wire/http: bytes → an exchange; the route says what it is for.
    arrived: list[Exchange] = []
    transport = Transport()
    connection = HttpConnection(arrived.append, Limits(), set(), KnownHeads())
    connection.connection_made(transport)
    connection.data_received(HTTP)
    (exchange,) = arrived
    assert (exchange.method, exchange.url, exchange.body) == (b"POST", b"/v2/models/echo/infer", BODY)

    # 2. protocol: a body → an InferRequest, which knows nothing of HTTP.
    request, binary_default = infer_json.decode("echo", "", exchange.body, None, Limits())
    assert (request.id, request.inputs["IN"].data.tolist(), binary_default) == ("a", [[1.5, 2.0]], False)

    # 3. serving: does the request suit the model? How many rows has it, and whom may it share a batch with?
    check = RequestCheck(config)
    rows, shape_key = check.rows(request), None if check.has_one_shape else check.key(request)
    assert (rows, shape_key) == (1, None)

    # 4. scheduling: it waits, a pure function decides, a batch is made.
    queue = JobQueue()
    queue.add(Job(request, rows, lambda job, result, is_final: None, shape_key), now=10.0)
    decision = decide_dynamic(Situation(queue.front(64), 10.0), DynamicRule(config.max_batch_size))
    assert decision == Run(range(1))

    # 5. backends: an instance runs the batch and gives one answer for each request.
    batch = Batch([request])
    (response,) = instance.execute(batch)
    assert isinstance(response, InferResponse)
    assert response.outputs[0].name == "OUT"
    assert np.array_equal(response.outputs[0].data, [[1.5, 2.0]])
    assert 0 < batch.input_ready_s <= batch.output_ready_s

    # 6. protocol: an InferResponse → a body.
    response.model_version, response.id = "1", request.id
    encoded = infer_answer.encode(request, response, binary_default)
    document = {
        "id": "a",
        "model_name": "echo",
        "model_version": "1",
        "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.0]}],
    }
    assert json.loads(encoded.header) == document

    # 7. wire/http: the answer leaves.
    exchange.answer(200, encoded.header, b"application/json")
    assert transport.written.endswith(b"\r\n\r\n" + encoded.header)

    # The same way in one go, as the server goes it: the door, the engine, the catalog, the model's scheduler.
    await the_whole_way(TensorModel(config, "1", instances), document)


async def the_whole_way(model: TensorModel, document: dict[str, Any]) -> None:
    catalog = Catalog()
    catalog.begin("echo", "1")
    catalog.add(model)
    engine = Engine(catalog)
    answered = asyncio.Event()
    stations: list[str] = []

    class Recording(Transport):
        def write(self, data: Any) -> None:
            super().write(data)
            stations.append("wire: answer written")
            answered.set()

    def route(name: str, version: str = "") -> ServedModel:
        stations.append("serving: routed")
        return real_route(name, version)

    def submit(served: ServedModel, request: InferRequest, deliver: Deliver, **how: Any) -> ResponseSender:
        stations.append("serving: submitted")
        return real_submit(served, request, partial(delivered, deliver), **how)

    def delivered(deliver: Deliver, answer: Answer, is_final: bool) -> None:
        assert is_final, "a plain model answers once"
        stations.append("serving: answered")
        deliver(answer, is_final)

    real_route, engine.route = engine.route, route  # type: ignore[method-assign]
    real_submit, engine.submit = engine.submit, submit  # type: ignore[method-assign]
    router = http_router(Services(engine, Overview(engine, "triton")), Limits())

    def dispatch(exchange: Exchange) -> None:
        stations.append("wire: request read")
        router(exchange)

    transport = Recording()
    connection = HttpConnection(dispatch, Limits(), set(), KnownHeads())
    connection.connection_made(transport)
    connection.data_received(HTTP)
    way = ["wire: request read", "serving: routed", "serving: submitted"]
    assert stations == way, "the model runs later, so that others can join"
    await asyncio.wait_for(answered.wait(), 10)
    assert stations[3:] == ["serving: answered", "wire: answer written"]
    assert json.loads(transport.written.partition(b"\r\n\r\n")[2]) == document
    assert model.statistics.as_json()["inference_stats"]["success"]["count"] == 1
    await engine.drain()
    model.close()
