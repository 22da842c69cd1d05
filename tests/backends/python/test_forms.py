"""Batches and answers in forms: what is in them arrives as it was, and what makes no sense is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from naiad.backends.python.orders import Orders
from naiad.backends.python.worker import forms, wire
from naiad.backends.python.worker.forms import Form, Read, Written
from naiad.backends.python.worker.link import dumps
from naiad.backends.python.worker.wire import Channel, Garbled
from naiad.core.contracts import Batch
from naiad.core.message import InferRequest, SequenceStep
from naiad.core.tensor import Tensor
from naiad.modelconfig import finish, prepare

from .conftest import IDENTITY, Code, answer, request_of, value

PORT = {"data_type": "TYPE_FP32", "dims": [-1]}


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """The server's end, and the worker's."""
    ours, theirs = wire.pair()
    channels = Channel(ours, orjson.dumps, orjson.loads), Channel(theirs, dumps, json.loads, is_writable=True)
    yield channels
    for one in channels:
        one.close()


def orders_of(tmp_path: Any, **fields: Any) -> Orders:
    document = {"backend": "python", "input": [{"name": "x", **PORT}], "output": [{"name": "y", **PORT}], **fields}
    return Orders(finish(dict(prepare(document, "m")), model_dir=tmp_path))


def sent(ends: tuple[Channel, Channel], known: tuple[Written, Read], orders: Orders, *requests: InferRequest) -> Any:
    """What the worker reads of a batch: for each request its id, wanted outputs and tensors; None: it has no form."""
    written, read = known
    formed = orders.formed(written, ends[0], requests)
    if formed is None:
        return None
    ends[0].send(wire.EXECUTE_FORMED, forms.write_order(7, *formed[:2]), formed[2])
    while (message := ends[1].receive()) is not None and message.kind == wire.FORM:
        read.learn(message.header)
    assert message is not None
    number, rows = forms.read_order(message.header, read)
    assert number == 7
    at, found = message.tail, []
    for form, request_id in rows:
        names = [row[0] for row in form.tensors]
        found.append((request_id, form.outputs, dict(zip(names, form.arrays(message.frame, at), strict=True))))
        at += form.size
    return found


def test_what_is_sent_arrives(ends: tuple[Channel, Channel], tmp_path: Any) -> None:
    known, orders = (Written(), Read()), orders_of(tmp_path)
    kinds = [np.int8, np.float16, np.float64, np.bool_, np.uint32]
    for count in (1, 3, 0, 1, 250):
        requests = [
            InferRequest("m", id=f"é{index}" if index % 2 else "", inputs={
                kind.__name__: Tensor.of(kind.__name__, (np.arange(count * 2) % 2).reshape(count, 2).astype(kind))
                for kind in kinds[: 1 + index % 5]
            })
            for index in range(7)
        ]  # fmt: skip
        found = sent(ends, known, orders, *requests)
        assert [one[0] for one in found] == [request.id for request in requests]
        for (_, outputs, arrays), request in zip(found, requests, strict=True):
            assert outputs == []
            assert list(arrays) == list(request.inputs)
            for name, data in arrays.items():
                given = request.inputs[name].data
                assert data.dtype == given.dtype
                assert np.array_equal(data, given)
                assert data.flags.writeable
                assert data.flags.aligned


def test_layouts_of_memory(ends: tuple[Channel, Channel], tmp_path: Any) -> None:
    wide = np.arange(60, dtype=np.float32).reshape(6, 10)
    for data in (wide.T, wide[::2, ::-3]):
        ((_, _, arrays),) = sent(ends, (Written(), Read()), orders_of(tmp_path), request_of(x=data))
        assert np.array_equal(arrays["x"], data)


@pytest.mark.parametrize(
    "request_",
    [
        request_of(x=[b"text"]),
        request_of(x=np.ones(5000, np.float32)),
        request_of(x=np.ones(2, ">f4")),
        request_of(parameters={"a": 1}),
        InferRequest("m", inputs=request_of().inputs, timeout_us=5),
        InferRequest("m", inputs=request_of().inputs, sequence=SequenceStep(1)),
        InferRequest("m", inputs=request_of().inputs, id="x" * 5000),
    ],
)
def test_what_has_no_form(ends: tuple[Channel, Channel], tmp_path: Any, request_: InferRequest) -> None:
    """One of them is enough for the whole batch."""
    assert sent(ends, (Written(), Read()), orders_of(tmp_path), request_of(), request_) is None


def test_reshaped_tensors_have_none(ends: tuple[Channel, Channel], tmp_path: Any) -> None:
    orders = orders_of(
        tmp_path, input=[{"name": "x", "data_type": "TYPE_FP32", "dims": [2], "reshape": {"shape": [2, 1]}}]
    )
    assert sent(ends, (Written(), Read()), orders, request_of()) is None


def test_too_much_for_one_message_has_none(ends: tuple[Channel, Channel], tmp_path: Any) -> None:
    many = [request_of(x=np.ones(1000, np.float32)) for _ in range(17)]
    known, orders = (Written(), Read()), orders_of(tmp_path)
    assert sent(ends, known, orders, *many) is None
    assert len(sent(ends, known, orders, *many[:16])) == 16


def test_there_are_so_many_forms_and_no_more(code: Code) -> None:
    """Every shape works all the same, in both directions, and what was known stays known."""
    instance = code.load()
    for count in [*range(forms.MOST + 50), 3, forms.MOST + 49]:
        data = np.arange(count, dtype=np.float32)
        assert np.array_equal(value(answer(instance, request_of(x=data))), data)
    worker = instance._supervisor.worker()
    assert worker.written._count == len(worker.forms._forms) == forms.MOST


def test_requests_of_one_batch_may_differ(code: Code) -> None:
    instance = code.load()
    given = [np.arange(count, dtype=np.float32) for count in (3, 1, 3, 0, 2)]
    for _ in range(2):
        found = instance.execute(Batch([request_of(x=data) for data in given]))
        assert all(np.array_equal(value(one), data) for one, data in zip(found, given, strict=True))


def test_a_new_worker_knows_no_forms(code: Code) -> None:
    instance = code.load()
    assert value(answer(instance, request_of())).tolist() == [1, 1]
    worker = instance._supervisor.worker()
    worker.kill("so that there is another one")
    worker.wait_gone()
    assert value(answer(instance, request_of())).tolist() == [1, 1]
    assert instance._supervisor.worker() is not worker


def test_each_answer_is_held_against_its_request(code: Code) -> None:
    """An answer of a form that was right for one request may be wrong for another."""
    source = """
        import numpy as np
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.ones((2, 1), np.float32))])
                        for _ in requests]
    """
    instance = code.load(source, max_batch_size=4)
    requests = [request_of(x=np.ones((rows, 1), np.float32)) for rows in (2, 1, 2, 1)]
    for _ in range(2):
        right, wrong, also, again = instance.execute(Batch(requests))
        assert value(right).shape == value(also).shape == (2, 1)
        assert wrong.message == again.message
        assert "has 2 rows for a request of 1" in wrong.message


def test_outputs_that_nobody_wants_stay_there(code: Code) -> None:
    source = IDENTITY.replace(
        '[pb_utils.Tensor("y", request.inputs()[0].as_numpy())]',
        '[pb_utils.Tensor(name, request.inputs()[0].as_numpy()) for name in "yz"]',
    )
    instance = code.load(source, output=[{"name": name, **PORT} for name in "yz"])
    for wanted in (["z"], ["y"], [], ["z", "y"]):
        response = answer(instance, request_of(*wanted))
        assert [one.name for one in response.outputs] == ([one for one in "yz" if one in wanted] or ["y", "z"])


ROWS = [["y", "FP32", [2]]]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"n": 1, "o": [], "t": ROWS},
        {"n": -1, "o": [], "t": ROWS},
        {"n": "0", "o": [], "t": ROWS},
        {"n": 0, "o": None, "t": ROWS},
        {"n": 0, "o": [], "t": None},
        {"n": 0, "o": [], "t": [["y", "FP32"]]},
        {"n": 0, "o": [], "t": [["y", "NONE", [2]]]},
        {"n": 0, "o": [], "t": [["y", "BYTES", [2]]]},
        {"n": 0, "o": [], "t": [["y", "FP32", [-2]]]},
        {"n": 0, "o": [], "t": [["y", "FP32", [2.0]]]},
        {"n": 0, "o": [], "t": [["y", "FP32", [1 << 62, 1 << 62]]]},
        {"n": 0, "o": [], "t": [[5, "FP32", [2]]]},
        {"n": 0, "o": [], "t": ROWS * 65},
    ],
)
def test_forms_that_make_no_sense(header: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        Read().learn(header)


def test_replies_that_make_no_sense() -> None:
    read = Read()
    read.learn({"n": 0, "o": [], "t": ROWS})
    good = forms.write_reply(1, 0.5, 1.5, [Form(0, [], ROWS)])
    assert forms.read_reply(good, read)[:2] == (0.5, 1.5)
    unknown = forms.write_reply(1, 0.5, 1.5, [Form(1, [], ROWS)])
    for header in (b"", good[:-1], unknown, forms.REPLY.pack(1, 0.0, 0.0, 2**32 - 1)):
        with pytest.raises(Garbled):
            forms.read_reply(header, read)
