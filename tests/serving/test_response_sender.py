"""One request under way: answered exactly once, counted, withdrawn; whatever model and door do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from response_sender_fixture import Asked

from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, InvalidRequest, ModelFailed, Overloaded
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor
from naiad.core.trace import Trace, TracedDoor
from naiad.observe.trace.options import TraceOptions
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.settings import TraceValues
from naiad.observe.trace.tracing import Tracing
from naiad.observe.trace.writer import Picked


def response(value: float = 1.0) -> InferResponse:
    return InferResponse("m", "", [Tensor("y", "FP32", np.array([value, -value], np.float32))])


def test_one_answer_bears_the_requests_id_and_the_models_version() -> None:
    asked = Asked(id="7")
    assert asked.sender.send(response())
    ((answer, is_final),) = asked.answers
    assert isinstance(answer, InferResponse)
    assert (answer.id, answer.model_version, is_final) == ("7", "1", True)
    assert asked.model.statistics.as_json()["inference_stats"]["success"]["count"] == 1


def test_what_comes_after_the_final_answer_is_ignored() -> None:
    asked = Asked()
    asked.sender.send(response())
    assert not asked.sender.send(ModelFailed("late"))
    asked.sender.refuse(Overloaded("late"))
    asked.sender.cancel()
    assert asked.kinds == [(InferResponse, True)]
    assert asked.cancelled == 0
    assert not asked.sender.is_cancelled


def test_withdrawing_answers_at_once_tells_the_model_once_and_ignores_the_result() -> None:
    asked = Asked()
    asked.sender.cancel()
    asked.sender.cancel()
    asked.sender.send(response())
    assert asked.kinds == [(Cancelled, True)]
    assert (asked.cancelled, asked.sender.is_cancelled) == (1, True)
    assert asked.model.statistics.failures["CANCELED"] == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Overloaded("full"), "REJECTED"),
        (DeadlineExceeded("late"), "REJECTED"),
        (ModelFailed("broke"), "BACKEND"),
        (InvalidRequest("bad"), "OTHER"),
    ],
)
def test_failures_are_counted_by_reason_and_a_full_queues_name_the_request(error: Exception, reason: str) -> None:
    asked = Asked(id="7")
    assert isinstance(error, Failed | Overloaded | DeadlineExceeded | InvalidRequest)
    asked.sender.send(error)
    mark = "[request id: 7] " if isinstance(error, Overloaded) else ""
    assert [str(answer) for answer, _ in asked.answers] == [mark + error.message]
    assert asked.model.statistics.failures[reason] == 1


def test_what_never_suited_the_model_is_no_failure_of_it() -> None:
    asked = Asked()
    asked.sender.refuse(InvalidRequest("bad"))
    assert asked.sender.on_cancel is None
    assert asked.kinds == [(InvalidRequest, True)]
    assert set(asked.model.statistics.failures.values()) == {0}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_caller_who_takes_one_answer_gets_one(count: int) -> None:
    asked = Asked()
    for _ in range(count):
        asked.sender.send(response(), is_final=False)
    asked.sender.send(None)
    if count == 1:
        assert asked.kinds == [(InferResponse, True)]
    else:
        assert [str(answer) for answer, _ in asked.answers] == [f"expected a single response, got {count}"]


def test_a_caller_who_takes_many_gets_each_and_the_end() -> None:
    asked = Asked(decoupled=True, takes_one=False)
    asked.sender.send(response(1.0), is_final=False)
    asked.sender.send(ModelFailed("between"), is_final=False)
    asked.sender.send(None)
    asked.sender.send(response(2.0))
    assert asked.kinds == [(InferResponse, False), (ModelFailed, False), (InferResponse, True)]
    last = asked.answers[-1][0]
    assert isinstance(last, InferResponse)
    assert last.is_empty
    rows = asked.model.statistics.as_json()["response_stats"]
    counts = [{name: row[name]["count"] for name in ("success", "fail", "empty_response")} for row in rows.values()]
    assert counts == [
        {"success": 1, "fail": 0, "empty_response": 0},
        {"success": 0, "fail": 1, "empty_response": 0},
        {"success": 0, "fail": 0, "empty_response": 1},
    ]


def test_classes_stand_for_an_output_that_asks_for_them() -> None:
    asked = Asked(outputs=(RequestedOutput("y", class_count=1),))
    asked.model.labels["y"] = ["low", "high"]
    asked.sender.send(response(-3.0))
    ((answer, _),) = asked.answers
    assert isinstance(answer, InferResponse)
    assert answer.outputs[0].data.tolist() == [b"3.000000:1:high"]


class Clumsy(Asked):
    """Its door cannot write a response."""

    def deliver(self, answer: Answer, is_final: bool) -> None:
        if isinstance(answer, InferResponse):
            raise KeyError("a mistake")
        super().deliver(answer, is_final)


@pytest.mark.parametrize("is_final", [True, False])
def test_a_mistake_of_the_door_is_answered_and_ends_the_request(
    is_final: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Clumsy(decoupled=True, takes_one=False)
    asked.sender.send(response(), is_final)
    asked.sender.send(response())
    assert [(str(answer), last) for answer, last in asked.answers] == [("internal error", True)]
    assert asked.cancelled == (0 if is_final else 1)
    assert "could not be delivered" in caplog.text


def test_a_door_that_cannot_write_errors_either_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Asked):
        def deliver(self, answer: Answer, is_final: bool) -> None:
            raise KeyError(answer, is_final)

    Broken().sender.send(response())
    assert "could not be delivered either" in caplog.text


@pytest.mark.parametrize("kind", [Asked, Clumsy])
def test_a_trace_ends_with_its_request_whatever_the_door_does(kind: type[Asked]) -> None:
    request = InferRequest("m", inputs={})
    sink = Written()
    tracing = Tracing(TraceOptions(TraceValues(("TIMESTAMPS",), rate=1), "triton", "x"), sink=sink)
    tracing.follow(request, TracedDoor.HTTP)
    asked = kind(request=request, tracing=tracing)
    asked.sender.send(response())
    assert tracing.flush()
    (trace,) = sink.traces
    assert {"INFER_RESPONSE_COMPLETE", "HTTP_SEND_START", "HTTP_SEND_END"} <= {name for name, _ in trace.moments}
    tracing.close()


class Written:
    """A sink of traces."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def write(self, traces: Sequence[Picked]) -> None:
        self.traces += [trace for _, trace in traces]

    def release(self, sampler: Sampler) -> None:
        pass

    def close(self) -> None:
        pass
