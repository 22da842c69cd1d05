"""Outputs are written once they are there, all or none, and only while somebody waits for them."""

from __future__ import annotations

import numpy as np
import pytest
from response_sender_fixture import Asked as AskedSender

from naiad.core.errors import Cancelled, Failed, NotFound
from naiad.core.message import InferResponse
from naiad.core.tensor import Array, Tensor, bytes_tensor


class Buffer:
    """An OutputMemory."""

    def __init__(self, byte_size: int) -> None:
        self.byte_size = byte_size
        self.held = b""

    def write(self, data: bytes | memoryview) -> None:
        self.held = bytes(data)


class Asked(AskedSender):
    """A request for outputs in memory, and the answers it got."""

    def __init__(self, *, decoupled: bool = False, **buffers: Buffer) -> None:
        super().__init__(decoupled=decoupled, takes_one=not decoupled, output_memory=dict(buffers))

    def answer(self, is_last: bool = True, **arrays: Array) -> InferResponse:
        response = InferResponse("m", "1", [Tensor.of(name, array) for name, array in arrays.items()])
        self.sender.send(response, is_last)
        return response


def test_outputs_are_written_and_the_rest_is_passed_on() -> None:
    buffer = Buffer(100)
    asked = Asked(a=buffer)
    response = asked.answer(a=np.arange(4, dtype=np.int16), b=np.ones(2))
    assert asked.answers == [(response, True)]
    assert buffer.held == np.arange(4, dtype=np.int16).tobytes()
    assert response.stored == {"a"}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4)[:, 1:3],
        np.float64(3.5) * np.ones(()),
        np.zeros((0, 7), np.int8),
        np.array([True, False]),
        np.arange(3, dtype=np.float16),
    ],
)
def test_any_array_is_written_as_it_would_be_sent(array: Array) -> None:
    buffer = Buffer(100)
    Asked(a=buffer).answer(a=array)
    assert buffer.held == array.tobytes()


def test_strings_are_written_with_their_lengths() -> None:
    buffer = Buffer(100)
    asked = Asked(a=buffer)
    asked.sender.send(InferResponse("m", "1", [bytes_tensor("a", [b"xy", b""])]))
    assert buffer.held == b"\2\0\0\0xy\0\0\0\0"


def test_too_little_room_is_an_error_and_nothing_is_written() -> None:
    fits, small = Buffer(8), Buffer(7)
    asked = Asked(a=fits, b=small)
    asked.answer(a=np.zeros(8, np.int8), b=np.zeros(8, np.int8))
    ((error, is_last),) = asked.answers
    assert isinstance(error, Failed)
    assert is_last
    assert error.message == (
        "shared memory size specified with the request for output 'b' (7 bytes) should be at least 8 bytes to hold the "
        "results"
    )
    assert (fits.held, small.held) == (b"", b"")


def test_nothing_is_written_for_who_went_away() -> None:
    buffer = Buffer(8)
    asked = Asked(a=buffer)
    asked.sender.cancel()
    assert asked.cancelled == 1
    asked.answer(a=np.zeros(8, np.int8))
    assert buffer.held == b""
    assert [type(answer) for answer, _ in asked.answers] == [Cancelled]


def test_errors_pass() -> None:
    asked = Asked(a=Buffer(8))
    error = NotFound("x")
    asked.sender.send(error)
    assert asked.answers == [(error, True)]


def test_an_error_of_the_memory_is_the_answer() -> None:
    class Gone(Buffer):
        def write(self, data: bytes | memoryview) -> None:
            raise Failed(f"no room for {len(data)}")

    asked = Asked(a=Gone(8))
    asked.answer(a=np.zeros(8, np.int8))
    assert [(str(answer), last) for answer, last in asked.answers] == [("no room for 8", True)]


def test_a_mistake_of_ours_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Else it would cost the others of the same batch their answers."""

    class Wrong(Buffer):
        def write(self, data: bytes | memoryview) -> None:
            raise TypeError(data)

    asked = Asked(a=Wrong(8))
    asked.answer(a=np.zeros(8, np.int8))
    assert [(str(answer), last) for answer, last in asked.answers] == [("internal error", True)]
    assert "could not be completed" in caplog.text


def test_every_answer_of_a_decoupled_model_is_written() -> None:
    buffer = Buffer(8)
    asked = Asked(decoupled=True, a=buffer)
    for value in (1, 2):
        asked.answer(is_last=value == 2, a=np.full(3, value, np.int8))
        assert buffer.held == bytes([value] * 3)
    assert [is_last for _, is_last in asked.answers] == [False, True]
