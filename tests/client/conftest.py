"""A loopback server that speaks just enough v2 to test the clients: real bytes, real codecs, models that echo."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import orjson
import pytest

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest, NaiadError, NotFound, NotReady
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor
from naiad.protocol.json import infer_answer
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status

HEADER_LENGTH = "Inference-Header-Content-Length"


def describe(name: str) -> dict[str, Any]:
    """Metadata: `text` measures strings, `pair` adds two rows, a datatype's name is an identity model of matrices."""
    one, two = {"datatype": "BYTES", "shape": [-1]}, {"datatype": "INT32", "shape": [-1, 16]}
    if name == "text":
        inputs = [{"name": "text", **one}]
        outputs = [{"name": "echo", **one}, {"name": "length", "datatype": "INT64", "shape": [-1]}]
    elif name == "pair":
        inputs, outputs = [{"name": "left", **two}, {"name": "right", **two}], [{"name": "sum", **two}]
    elif name in BY_NAME:
        inputs = outputs = [{"name": "x", "datatype": name, "shape": [-1, -1]}]
    else:
        raise NotFound(f"Request for unknown model: '{name}' is not found")
    return {"name": name, "versions": ["1"], "platform": "echo", "inputs": inputs, "outputs": outputs}


def run(request: InferRequest) -> InferResponse:
    """What the models answer."""
    unknown = [output.name for output in request.outputs if output.name == "nonsense"]
    if unknown:
        raise InvalidRequest(f"unexpected inference output '{unknown[0]}' for model '{request.model_name}'")
    if request.model_name == "text":
        echo = request.inputs["text"]
        lengths = np.array([len(text) for text in echo.data.ravel()], dtype=np.int64).reshape(echo.shape)
        outputs = [Tensor("echo", "BYTES", echo.data), Tensor.of("length", lengths)]
    elif request.model_name == "pair":
        outputs = [Tensor.of("sum", request.inputs["left"].data + request.inputs["right"].data)]
    else:
        outputs = [request.inputs["x"]]
    wanted = {output.name for output in request.outputs} or {output.name for output in outputs}
    chosen = [output for output in outputs if output.name in wanted]
    return InferResponse(request.model_name, "1", chosen, parameters=dict(request.parameters))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EchoServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.respond(b"")

    def do_POST(self) -> None:
        self.respond(self.rfile.read(int(self.headers["Content-Length"])))

    def respond(self, body: bytes) -> None:
        self.server.seen.append((f"{self.command} {self.path}", dict(self.headers), body))
        if self.server.canned is not None:
            status, canned, headers = self.server.canned
            self.reply(status, canned, headers)
            return
        try:
            self.route(body)
        except NaiadError as error:
            self.reply(http_status(error), orjson.dumps({"error": error.message}))

    def route(self, body: bytes) -> None:
        found = re.fullmatch(r"/v2/models/([^/]+)(?:/versions/(\d+))?(?:/(infer|ready|config|stats))?", self.path)
        if self.path == "/v2/models/stats":
            self.reply(200, b'{"model_stats":[]}')
        elif found:
            self.model(found[1], found[2] or "", found[3] or "", body)
        else:
            fixed = {
                "/v2/health/live": b"",
                "/v2/health/ready": b"",
                "/v2": b'{"name":"echo","version":"2.0","extensions":["binary_tensor_data"]}',
                "/v2/repository/index": b'[{"name":"text","version":"1","state":"READY"},{"name":"broken"}]',
            }
            self.reply(200, fixed[self.path]) if self.path in fixed else self.reply(404, b'{"error":"Not Found"}')

    def model(self, name: str, version: str, verb: str, body: bytes) -> None:
        if verb == "ready" and name == "loading":
            raise NotReady("Model version not ready")
        description = describe(name)
        if verb == "infer":
            header_length = int(self.headers[HEADER_LENGTH])
            request, binary = infer_json.decode(name, version, body, header_length, Limits())
            answer = infer_answer.encode(request, run(request), binary)
            headers = {HEADER_LENGTH: str(len(answer.header))} if answer.tail else {}
            self.reply(200, answer.header + b"".join(answer.tail), headers)
        else:
            documents = {"ready": b"", "config": b'{"name":"%b"}' % name.encode(), "stats": b'{"model_stats":[]}'}
            self.reply(200, documents.get(verb, orjson.dumps(description)))


class EchoServer(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[tuple[str, dict[str, str], bytes]]
    """Method and path, headers and body of each request."""
    canned: tuple[int, bytes, dict[str, str]] | None = None
    """Answer everything with this status, body and headers."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer(("127.0.0.1", 0), Handler) as echo:
        echo.seen = []
        thread = threading.Thread(target=echo.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield echo
        echo.shutdown()
        thread.join()
