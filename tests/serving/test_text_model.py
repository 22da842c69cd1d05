"""Text requests: split into texts, batched across requests, answered once, counted, cancelled, bounded."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances, Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import Cancelled, Failed, InvalidRequest, ModelFailed, NaiadError, Overloaded
from naiad.core.machine.turnstile import pause
from naiad.core.message import Answer, InferRequest, InferResponse, RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.observe.trace.tracing import Tracing
from naiad.scheduling.tokens import TokenRule, decide_packed
from naiad.scheduling.turns import SHARE_TOKENS
from naiad.serving.encoder_queue import EncoderQueue
from naiad.serving.preparing import IN_TURN, LIGHT_BYTES
from naiad.serving.response_sender import ResponseSender
from naiad.serving.text_model import SLICE, TextModel
from naiad.serving.worker import Worker
from naiad.testing import FakeInstance

CONFIG = ModelConfig(
    "texts", inputs=(TensorConfig("text", "BYTES", (-1,)),), outputs=(TensorConfig("length", "INT64", (-1,)),)
)


class Panic(BaseException):
    """As Rust libraries raise it: no Exception."""


class LengthTask:
    """One token per byte; answers how many there were."""

    name = "length"
    inputs = CONFIG.inputs
    outputs = CONFIG.outputs

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def prepare(self, request: InferRequest) -> Preparation:
        self.threads.add(threading.get_ident())
        texts = request.inputs["text"].data.tolist()
        if b"bad" in texts:
            raise InvalidRequest("a bad text")
        if any(text.startswith(b"panic now") for text in texts):
            raise Panic("in Rust")
        return Preparation([TextTokens(np.frombuffer(b"." + text, np.uint8), ("n",)) for text in texts])

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        mistakes: dict[bytes, BaseException] = {b"break": KeyError("a mistake"), b"panic late": Panic("in Rust")}
        if mistake := mistakes.get(b"".join(request.inputs["text"].data.tolist())):
            raise mistake
        lengths = np.array([int(result["n"]) - 1 for result in results], np.int64)
        return InferResponse(request.model_name, "", [Tensor("length", "INT64", lengths)])


def count_tokens(item: TextTokens) -> EncoderResult | NaiadError:
    """Fails on texts that hold an exclamation mark."""
    if ord("!") in item.input_ids:
        return ModelFailed("too loud")
    return {"n": np.array(item.tokens)}


class Fixture:
    """A model over one counting encoder."""

    def __init__(self, max_tokens: int = 20, max_waiting: int = 0, task: LengthTask | None = None) -> None:
        self.task = task or LengthTask()
        self.encoder = FakeInstance(count_tokens)
        policy = partial(decide_packed, rule=TokenRule(max_tokens=max_tokens))
        self.queue = EncoderQueue("e", Instances((self.encoder,)), policy, max_waiting=max_waiting)
        self.model = TextModel(CONFIG, "1", self.task, self.queue)
        self.answers: list[Answer] = []
        self._arrived = asyncio.Event()

    def submit(self, *texts: bytes, outputs: Sequence[RequestedOutput] = ()) -> Any:
        request = InferRequest("texts", inputs={"text": bytes_tensor("text", list(texts))}, outputs=list(outputs))
        sender = ResponseSender(self.model, request, self._deliver, Tracing(), Worker())
        self.model.submit(request, sender)
        return sender.cancel

    def _deliver(self, answer: Answer, is_last: bool) -> None:
        assert is_last
        self.answers.append(answer)
        self._arrived.set()

    @property
    def batches(self) -> list[list[int]]:
        """Tokens of each text of each batch."""
        return [[item.tokens for item in batch] for batch in self.encoder.batches]

    async def until(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.answers) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return [
            answer if isinstance(answer, NaiadError) else answer.outputs[0].data.tolist() for answer in self.answers
        ]


async def test_sequences_of_several_requests_share_a_batch_and_answers_stay_apart() -> None:
    fixture = Fixture()
    fixture.submit(b"aa", b"bbb")
    fixture.submit(b"c")
    assert await fixture.until(2) == [[2, 3], [1]]
    assert fixture.batches == [[3, 4, 2]]


async def test_a_large_request_is_spread_over_batches_and_keeps_its_order() -> None:
    fixture = Fixture(max_tokens=10)
    fixture.submit(*(b"x" * length for length in (8, 1, 8, 1, 8)))
    assert await fixture.until(1) == [[8, 1, 8, 1, 8]]
    assert len(fixture.encoder.batches) > 1


async def test_heavy_requests_are_tokenised_off_the_loop_light_ones_on_it() -> None:
    fixture = Fixture(max_tokens=100_000)
    fixture.submit(b"light")
    await fixture.until(1)
    assert fixture.task.threads == {threading.get_ident()}
    fixture.submit(b"x" * (LIGHT_BYTES + 1))
    assert await fixture.until(2) == [[5], [LIGHT_BYTES + 1]]
    assert len(fixture.task.threads) == 2


async def test_many_empty_texts_are_heavy() -> None:
    """Four million of them weighed nothing, and were tokenised on the event loop."""
    fixture = Fixture()
    fixture.submit(*[b""] * LIGHT_BYTES)
    await fixture.until(1)
    assert threading.get_ident() not in fixture.task.threads


async def test_a_small_request_does_not_wait_for_the_whole_of_a_large_one() -> None:
    fixture = Fixture(max_tokens=64)
    fixture.encoder.hold()
    fixture.submit(*[b"x" * 31] * 64)
    await asyncio.sleep(0)
    fixture.submit(b"small")
    fixture.encoder.release()
    first, _ = await fixture.until(2)
    assert first == [5]
    before = [batch for batch in fixture.batches if batch != [32, 32]]
    assert 6 in before[0]
    assert fixture.batches.index(before[0]) * 64 <= 2 * SHARE_TOKENS + 2 * 64


async def test_a_large_request_is_queued_and_withdrawn_over_several_turns_of_the_loop() -> None:
    fixture = Fixture(max_tokens=1)
    fixture.encoder.hold()
    fixture.submit(b"running")
    await asyncio.sleep(0)
    cancel = fixture.submit(*[b""] * (3 * SLICE // 2 + 1))
    prepared = asyncio.Event()
    pending = []

    def look() -> None:
        if fixture.queue.scheduler.pending == 3 * SLICE // 2:
            prepared.set()
        else:
            pending.append(fixture.queue.scheduler.pending)
            asyncio.get_running_loop().call_soon(look)

    look()
    await asyncio.wait_for(prepared.wait(), 10)
    assert set(pending) <= {0, SLICE - 1, SLICE}, "one is given ahead"
    cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fixture.queue.scheduler.pending == 0
    fixture.encoder.release()
    first, second = await fixture.until(2)
    assert isinstance(first, Cancelled)
    assert second == [7]


async def test_a_task_that_breaks_fails_its_own_request_only() -> None:
    """Whoever came behind it in the same batch waited for ever."""
    fixture = Fixture()
    fixture.submit(b"break")
    fixture.submit(b"c")
    broken, whole = await fixture.until(2)
    assert (type(broken), str(broken)) == (Failed, "internal error")
    assert whole == [1]


async def test_a_panic_of_a_library_fails_its_own_request_only() -> None:
    subject = Fixture()
    with pytest.raises(Failed, match="internal error"):
        subject.submit(b"panic now")
    subject.submit(b"panic now" + b"x" * LIGHT_BYTES)
    subject.submit(b"panic late")
    subject.submit(b"fine")
    answers = await subject.until(3)
    assert sorted(str(answer) for answer in answers) == ["[4]", "internal error", "internal error"]


class Endless(LengthTask):
    """Prepares a request of the letter a in shares, until one of other letters has been prepared."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.other_came, self.has_ended = threading.Event(), threading.Event(), threading.Event()

    def prepare(self, request: InferRequest) -> Preparation:
        is_endless = request.inputs["text"].data[0].startswith(b"a")
        if not is_endless:
            self.other_came.set()
        try:
            while is_endless and not self.other_came.is_set():
                self.has_begun.set()
                pause()
        finally:
            self.has_ended.set()
        return super().prepare(request)


async def test_heavy_requests_are_prepared_in_turns() -> None:
    """One of 64 MiB took seconds, and all others that were not small waited for it."""
    task = Endless()
    fixture = Fixture(max_tokens=100_000, task=task)
    fixture.submit(b"a" * (LIGHT_BYTES + 1))
    assert await asyncio.to_thread(task.has_begun.wait, 10)
    fixture.submit(b"b" * (LIGHT_BYTES + 2))
    assert sorted(await fixture.until(2)) == [[LIGHT_BYTES + 1], [LIGHT_BYTES + 2]]
    fixture.model.close()


async def test_nothing_more_of_a_request_is_prepared_that_was_withdrawn() -> None:
    task = Endless()
    fixture = Fixture(task=task)
    cancel = fixture.submit(b"a" * (LIGHT_BYTES + 1))
    assert await asyncio.to_thread(task.has_begun.wait, 10)
    cancel()
    assert await asyncio.to_thread(task.has_ended.wait, 10)
    assert isinstance((await fixture.until(1))[0], Cancelled)
    assert len(task.threads) == 0
    fixture.model.close()


async def test_a_heavy_request_that_waits_to_be_prepared_can_be_withdrawn() -> None:
    task = Endless()
    fixture = Fixture(max_tokens=100_000, task=task)
    cancels = [fixture.submit(b"a" * (LIGHT_BYTES + 1)) for _ in range(IN_TURN + 1)]
    assert await asyncio.to_thread(task.has_begun.wait, 10)
    assert fixture.model.statistics.count_pending() == IN_TURN + 1
    for cancel in cancels:
        cancel()
    assert [type(answer) for answer in await fixture.until(IN_TURN + 1)] == [Cancelled] * (IN_TURN + 1)
    await asyncio.wait_for(fixture.model.drain(), 10)
    fixture.model.close()


@pytest.mark.parametrize("texts", [[b"one"], [b"a", b"b"], [b"x" * (LIGHT_BYTES + 1)]], ids=["one", "two", "heavy"])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_request_that_is_over_is_let_go_of(texts: list[bytes], is_cancelled: bool) -> None:
    """Not when garbage is collected next, which may be much later."""
    fixture = Fixture(max_tokens=100_000)
    gc.disable()
    try:
        data = bytes_tensor("text", texts).data
        request, held = InferRequest("texts", inputs={"text": Tensor("text", "BYTES", data)}), weakref.ref(data)
        sender = ResponseSender(fixture.model, request, fixture._deliver, Tracing(), Worker())
        fixture.model.submit(request, sender)
        if is_cancelled:
            sender.cancel()
        await fixture.until(1)
        del data, request, sender
        await fixture.model.drain()
        fixture.model.close()
        assert held() is None
    finally:
        gc.enable()


async def test_classes_are_given_for_each_text() -> None:
    fixture = Fixture()
    fixture.submit(b"aa", b"b", outputs=[RequestedOutput("length", class_count=1)])
    assert await fixture.until(1) == [[[b"2:0"], [b"1:0"]]]


async def test_a_bad_text_is_refused_at_once_or_answered_when_heavy() -> None:
    fixture = Fixture()
    with pytest.raises(InvalidRequest, match="a bad text"):
        fixture.submit(b"bad")
    fixture.submit(b"bad", b"x" * (LIGHT_BYTES + 1))
    (error,) = await fixture.until(1)
    assert isinstance(error, InvalidRequest)
    assert fixture.model.statistics.count_pending() == 0


async def test_one_failing_sequence_fails_its_request_and_no_other() -> None:
    fixture = Fixture()
    fixture.submit(b"fine", b"loud!")
    fixture.submit(b"quiet")
    error, other = await fixture.until(2)
    assert isinstance(error, ModelFailed)
    assert other == [5]
    assert fixture.model.statistics.failures["BACKEND"] == 1


async def test_cancelling_takes_all_sequences_out_and_answers_once() -> None:
    fixture = Fixture(max_tokens=3)
    fixture.encoder.hold()
    fixture.submit(b"running")
    await asyncio.sleep(0)
    cancel = fixture.submit(b"a", b"b")
    assert fixture.queue.scheduler.pending == 2
    cancel()
    cancel()
    assert fixture.queue.scheduler.pending == 0
    fixture.encoder.release()
    first, second = await fixture.until(2)
    assert isinstance(first, Cancelled)
    assert second == [7]
    assert fixture.batches == [[8]]


async def test_a_request_that_does_not_fit_the_queue_is_refused_whole() -> None:
    fixture = Fixture(max_waiting=3)
    fixture.submit(b"a", b"b")
    with pytest.raises(Overloaded):
        fixture.submit(b"c", b"d")
    assert await fixture.until(1) == [[1, 1]]
    assert fixture.model.statistics.count_pending() == 0
    fixture.submit(b"e")
    assert (await fixture.until(2))[1] == [1]


async def test_no_texts_no_sequences_an_empty_answer() -> None:
    fixture = Fixture()
    fixture.submit()
    assert await fixture.until(1) == [[]]


async def test_drain_waits_for_light_and_heavy_requests() -> None:
    fixture = Fixture(max_tokens=100_000)
    fixture.submit(b"x" * (LIGHT_BYTES + 1))
    fixture.submit(b"light")
    await fixture.model.drain()
    assert len(fixture.answers) == 2
    fixture.model.close()


async def test_statistics_count_texts_requests_and_runs() -> None:
    fixture = Fixture()
    fixture.submit(b"a", b"b")
    fixture.submit(b"c")
    await fixture.until(2)
    stats = fixture.model.statistics.as_json()
    assert stats["inference_count"] == 3
    assert stats["execution_count"] == 1
    assert stats["inference_stats"]["success"]["count"] == 2
    assert [entry["batch_size"] for entry in stats["batch_stats"]] == [3]
