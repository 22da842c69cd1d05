from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from naiad.client.result import Result


def test_outputs_are_items_and_attributes() -> None:
    result = Result({"label": "joy", "score": 0.5}, "mood", "2")
    assert (result["label"], result.score, len(result), list(result)) == ("joy", 0.5, 2, ["label", "score"])
    with pytest.raises(AttributeError, match="no output 'lable'; it returned label, score"):
        _ = result.lable
    with pytest.raises(KeyError):
        _ = result["lable"]


def test_the_only_output_has_a_short_name() -> None:
    assert Result({"label": "joy"}, "mood", "2").value == "joy"
    with pytest.raises(ValueError, match="returned a, b; name the one"):
        _ = Result({"a": 1, "b": 2}, "mood", "2").value
    with pytest.raises(ValueError, match="returned nothing"):
        _ = Result({}, "mood", "2").value


def test_an_output_named_like_a_field_is_an_item() -> None:
    result = Result({"id": "theirs"}, "mood", "2", id="ours")
    assert (result["id"], result.id) == ("theirs", "ours")


def test_it_shows_shapes_not_numbers() -> None:
    result = Result({"embedding": np.zeros((2, 3), np.float32), "label": "joy"}, "m", "1")
    assert repr(result) == "Result(m/1: embedding=float32[2, 3], label='joy')"


def test_it_can_be_copied_and_pickled() -> None:
    result = Result({"label": "joy"}, "mood", "2", parameters={"truncated": 1})
    assert copy.copy(result) == result == pickle.loads(pickle.dumps(result))  # noqa: S301 - our own bytes
