"""Conditions of steps: what holds, what cannot be compared, how they are written and read."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.core.model.condition import When


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"equals": "de"}, "de", True),
        ({"equals": "de"}, "en", False),
        ({"equals": True}, True, True),
        ({"equals": False}, True, False),
        ({"equals": 1}, 1.0, True),
        ({"not_equals": "de"}, "en", True),
        ({"not_equals": "de"}, "de", False),
        ({"less_than": 0.5}, 0.4, True),
        ({"less_than": 0.5}, 0.5, False),
        ({"at_least": 0.5}, 0.5, True),
        ({"at_least": 1}, 0, False),
        ({"one_of": ["de", "fr"]}, "fr", True),
        ({"one_of": ["de", "fr"]}, "en", False),
        ({"is_given": True}, "", True),
        ({"is_given": False}, "x", False),
        ({"is_given": False}, None, True),
        ({"is_given": True}, None, False),
        ({"equals": "de"}, None, False),
        ({"not_equals": "de"}, None, False),
        ({"less_than": 1}, None, False),
        ({"one_of": ["de"]}, None, False),
    ],
)
def test_what_holds(condition: dict[str, Any], value: Any, holds: bool) -> None:
    assert When(parameter="p", **condition).holds(value) is holds


@pytest.mark.parametrize(
    ("condition", "value", "words"),
    [
        ({"equals": "1"}, 1, "parameter 'p' is 1, which cannot be compared with \"1\""),
        ({"equals": 1}, True, "parameter 'p' is true, which cannot be compared with 1"),
        ({"one_of": [1, 2]}, "1", "parameter 'p' is \"1\", which cannot be compared with 1"),
        ({"less_than": 1}, "0", "parameter 'p' is \"0\", which cannot be compared with 1"),
        ({"at_least": 1}, False, "parameter 'p' is false, which cannot be compared with 1"),
    ],
)
def test_values_of_different_kinds_are_not_compared(condition: dict[str, Any], value: Any, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        When(parameter="p", **condition).holds(value)
    assert caught.value.message == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"equals": 1}, "name either a tensor or a parameter"),
        ({"tensor": "t", "parameter": "p", "equals": 1}, "name either a tensor or a parameter"),
        ({"tensor": "t"}, "give one of equals, not_equals, less_than, at_least, one_of, is_given; there are none"),
        ({"tensor": "t", "equals": 1, "at_least": 2}, "there are equals and at_least"),
        ({"tensor": "t", "equals": [1]}, "equals must be a text, a number, true or false, not [1]"),
        ({"tensor": "t", "less_than": "1"}, "less_than must be a number, not '1'"),
        ({"tensor": "t", "at_least": True}, "at_least must be a number, not True"),
        ({"tensor": "t", "one_of": []}, "one_of must be a list of texts or numbers, not []"),
        ({"tensor": "t", "one_of": "de"}, "one_of must be a list of texts or numbers, not 'de'"),
        ({"tensor": "t", "is_given": 1}, "is_given must be true or false, not 1"),
    ],
)
def test_what_is_no_condition(condition: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        When(**condition)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        'parameter language equals "de"',
        "parameter rerank equals true",
        "tensor score at_least 0.5",
        'tensor language one_of ["de", "fr"]',
        "tensor x is_given false",
    ],
)
def test_what_is_written_is_read_again(text: str) -> None:
    assert str(When.parse(text)) == text
    assert When.parse(str(When.parse(text))) == When.parse(text)


@pytest.mark.parametrize(
    "text", ["", "parameter p", "header p equals 1", "parameter p is 1", "parameter p equals de", "tensor t one_of 3"]
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="when: "):
        When.parse(text)
