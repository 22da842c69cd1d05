from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.tasks.strings import decode_texts, read_optional_texts, read_texts, text_array


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_list_or_a_column_are_texts(shape: tuple[int, ...]) -> None:
    assert decode_texts(bytes_tensor("text", ["é".encode(), b"\x00"], shape)) == ["é", "\x00"]


def test_a_scalar_is_one_text() -> None:
    assert decode_texts(bytes_tensor("text", [b"one"], ())) == ["one"]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"'text' has shape \[1, 2\], \[n\] or \[n, 1\]"):
        decode_texts(bytes_tensor("text", [b"a", b"b"], (1, 2)))


def test_no_texts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'text' is empty: send at least one text"):
        decode_texts(bytes_tensor("text", []))


def test_numbers_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'text' is INT64, BYTES is expected"):
        decode_texts(Tensor.of("text", np.zeros(2, np.int64)))


@pytest.mark.parametrize("bad", [b"\xff", b"ok \xc3", b"\xed\xa0\x80"])
def test_bytes_that_are_not_utf8_are_named_by_element(bad: bytes) -> None:
    """Lone surrogates, as JSON's \\ud800 would give, are among them."""
    with pytest.raises(InvalidRequest, match="'text': element 1 is not valid UTF-8") as caught:
        decode_texts(bytes_tensor("text", [b"good", bad]))
    assert caught.value.detail["element"] == 1


def test_a_missing_input_is_named(ask: Callable[..., InferRequest]) -> None:
    with pytest.raises(InvalidRequest, match="input 'text' is missing"):
        read_texts(ask(other=["a"]), "text")
    assert read_optional_texts(ask(other=["a"]), "text") is None


def test_strings_go_back_as_utf8() -> None:
    data = text_array(["é", "", "\x00", "🙂"], (2, 2))
    assert data.shape == (2, 2)
    assert data.dtype == np.object_
    assert data.ravel().tolist() == ["é".encode(), b"", b"\x00", "🙂".encode()]
