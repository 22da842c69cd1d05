"""Which requests are followed, and what is noted of them; the sink notes what it is handed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from naiad.core.errors import Cancelled, InvalidRequest
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.tensor import Tensor
from naiad.core.trace import Caller, Trace, TracedDoor
from naiad.observe.trace.options import TraceOptions
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.settings import TraceValues
from naiad.observe.trace.tracing import Tracing, read_caller
from naiad.observe.trace.writer import Picked
from naiad.testing import ManualClock

BOTH = ("TIMESTAMPS", "TENSORS")
CALLER = Caller("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
UNSAMPLED = Caller("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
DATA = np.arange(3, dtype=np.int32)


class Notes:
    """A sink."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.released: list[Sampler] = []

    def write(self, traces: Sequence[Picked]) -> None:
        self.traces += [trace for _, trace in traces]

    def release(self, sampler: Sampler) -> None:
        self.released.append(sampler)

    def close(self) -> None:
        pass


class Scene:
    """Tracing with a model `m`, and a clock that the test moves."""

    def __init__(self, values: TraceValues, mode: str = "triton", file: str = "x") -> None:
        self.sink = Notes()
        self.clock = ManualClock()
        options = TraceOptions(values, mode, file)
        self.tracing = Tracing(options, lambda name: name == "m", may_change=True, sink=self.sink, clock=self.clock)

    def follow(self, model: str = "m", caller: Caller | None = None) -> InferRequest:
        request = InferRequest(model, id="r", inputs={"x": Tensor("x", "INT32", DATA.copy())}, arrived_s=999.0)
        self.clock.advance(1)
        self.tracing.follow(request, TracedDoor.HTTP, caller)
        return request

    def answer(self, request: InferRequest, answer: Answer, is_final: bool = True) -> None:
        """Give an answer to its door, as a ResponseSender does; the door takes a second."""
        assert request.trace is not None
        self.tracing.note_answer(request.trace, answer, is_final)
        self.clock.advance(1)
        self.tracing.note_sent(request.trace, is_final)

    @property
    def traces(self) -> list[Trace]:
        assert self.tracing.flush()
        return self.sink.traces


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(TraceValues(BOTH, rate=1))
    yield made
    made.tracing.close()


def answer(name: str = "y") -> InferResponse:
    return InferResponse("m", "3", [Tensor(name, "INT32", DATA.copy())])


def test_what_is_noted_of_a_request(scene: Scene) -> None:
    request = scene.follow()
    assert request.trace is not None
    request.trace.mark_run(1001.5, 0.0, 0.0, 0.0, 0.0)
    scene.answer(request, answer())
    (trace,) = scene.traces
    assert (trace.id, trace.model_name, trace.model_version, trace.request_id, trace.error) == (1, "m", "3", "r", "")
    assert trace.moments == [
        ("HTTP_RECV_START", 999.0),
        ("HTTP_RECV_END", 999.0),
        ("REQUEST_START", 1001.0),
        ("QUEUE_START", 1001.5),
        ("INFER_RESPONSE_COMPLETE", 1001.0),
        ("REQUEST_END", 1001.0),
        ("HTTP_SEND_START", 1001.0),
        ("HTTP_SEND_END", 1002.0),
    ]


def test_tensors_are_kept_as_they_were(scene: Scene) -> None:
    request = scene.follow()
    given = answer()
    scene.answer(request, given)
    request.inputs["x"].data[:] = given.outputs[0].data[:] = 9
    kept = [(activity, tensor.name, tensor.data.tolist()) for activity, tensor in scene.traces[0].tensors]
    assert kept == [("TENSOR_QUEUE_INPUT", "x", [0, 1, 2]), ("TENSOR_BACKEND_OUTPUT", "y", [0, 1, 2])]


def test_several_answers_and_an_empty_last_one(scene: Scene) -> None:
    request = scene.follow()
    scene.answer(request, answer(), False)
    assert scene.traces == []
    scene.answer(request, InferResponse("m", "3", [], is_empty=True), True)
    names = [name for name, _ in scene.traces[0].moments[3:]]
    sending = ["HTTP_SEND_START", "HTTP_SEND_END"]
    assert names == ["INFER_RESPONSE_COMPLETE", *sending, "REQUEST_END", *sending]


def test_a_withdrawn_request_ends_its_trace(scene: Scene) -> None:
    request = scene.follow()
    scene.answer(request, Cancelled("the request was cancelled"), True)
    (trace,) = scene.traces
    assert trace.error == "the request was cancelled"
    assert "INFER_RESPONSE_COMPLETE" not in [name for name, _ in trace.moments]


def test_what_is_not_picked_is_left_alone() -> None:
    scene = Scene(TraceValues(BOTH, rate=2))
    assert scene.follow().trace is None
    assert scene.follow("nope").trace is None
    assert scene.follow().trace is not None
    scene.tracing.close()


def test_off_is_off_until_a_model_is_traced(scene: Scene) -> None:
    tracing = scene.tracing
    assert tracing.is_on
    tracing.change("", {"trace_level": ()})
    assert not tracing.is_on
    tracing.change("m", {"trace_level": BOTH})
    assert tracing.is_on
    tracing.change("m", {"trace_level": None})
    assert not tracing.is_on


def test_the_last_of_a_count_switches_it_off_and_is_still_written(scene: Scene) -> None:
    scene.tracing.change("", {"trace_count": 1})
    request = scene.follow()
    assert not scene.tracing.is_on
    assert scene.sink.released == []
    scene.answer(request, answer(), True)
    assert len(scene.traces) == 1
    assert len(scene.sink.released) == 1


def test_a_trace_that_began_under_older_settings_is_released_when_it_ends(scene: Scene) -> None:
    request = scene.follow()
    scene.tracing.change("", {"log_frequency": 5})
    assert scene.tracing.flush()
    assert scene.sink.released == []
    scene.answer(request, answer(), True)
    assert [trace.id for trace in scene.traces] == [1]
    assert [sampler.is_replaced for sampler in scene.sink.released] == [True]


def test_unknown_models_have_no_settings(scene: Scene) -> None:
    for read in (lambda: scene.tracing.settings("nope"), lambda: scene.tracing.change("nope", {"trace_rate": 1})):
        with pytest.raises(InvalidRequest, match="Request for unknown model : nope"):
            read()


def test_callers_count_only_where_spans_are_made(scene: Scene) -> None:
    request = scene.follow(caller=UNSAMPLED)
    assert request.trace is not None
    assert request.trace.caller is None


def test_a_callers_decision_comes_before_the_rate() -> None:
    scene = Scene(TraceValues(("TIMESTAMPS",), rate=0), "opentelemetry", "")
    assert scene.tracing.is_on
    assert scene.follow().trace is None
    assert scene.follow(caller=UNSAMPLED).trace is None
    request = scene.follow(caller=CALLER)
    assert request.trace is not None
    assert request.trace.caller == CALLER
    scene.tracing.change("", {"trace_rate": 1})
    assert scene.follow(caller=UNSAMPLED).trace is None
    assert scene.follow().trace is not None


def test_settings_where_spans_are_made() -> None:
    settings = Scene(TraceValues(), "opentelemetry", "").tracing.settings()
    assert settings == {
        "trace_level": ["OFF"],
        "trace_rate": "1000",
        "trace_count": "-1",
        "trace_mode": "opentelemetry",
        "url": "http://localhost:4318/v1/traces",
        "bsp_schedule_delay": "5000",
        "bsp_max_export_batch_size": "512",
        "bsp_max_queue_size": "2048",
    }


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    ],
)
def test_headers_that_name_no_caller(header: str | None) -> None:
    assert read_caller(header, None) is None


def test_headers_that_do() -> None:
    assert read_caller(CALLER.traceparent, "a=b") == Caller(CALLER.traceparent, "a=b")
    assert (CALLER.is_sampled, UNSAMPLED.is_sampled) == (True, False)
