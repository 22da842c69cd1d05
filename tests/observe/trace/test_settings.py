from __future__ import annotations

import pytest

from naiad.core.errors import InvalidRequest
from naiad.observe.trace.settings import TraceValues, level_change, parse_level, parse_number


def test_defaults_as_the_network_shows_them() -> None:
    expected = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0"}
    assert expected == TraceValues().document()


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (["TENSORS", "TIMESTAMPS"], ("TIMESTAMPS", "TENSORS")),
        (["TIMESTAMPS", "TIMESTAMPS"], ("TIMESTAMPS",)),
        (["OFF"], ()),
        ([], ()),
        (["X"], ()),
    ],
)
def test_levels(names: list[str], level: tuple[str, ...]) -> None:
    assert level == parse_level(names)


def test_a_list_without_a_known_level_changes_nothing() -> None:
    assert (level_change(["X"]), level_change([])) == ({}, {})
    assert level_change(["OFF"]) == {"trace_level": ()}
    assert level_change(["X", "TENSORS"]) == {"trace_level": ("TENSORS",)}


def test_off_goes_with_nothing_else() -> None:
    with pytest.raises(InvalidRequest, match="Expect only one trace level 'OFF' is specified"):
        parse_level(["OFF", "TENSORS"])


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("trace_rate", " 7", 7),
        ("trace_rate", "0", 0),
        ("trace_count", "-1", -1),
        ("log_frequency", "4294967295", 2**32 - 1),
    ],
)
def test_numbers(key: str, text: str, value: int) -> None:
    assert value == parse_number(key, text)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("trace_rate", "x", "Unable to parse 'trace_rate', got: x"),
        ("trace_rate", "", "Unable to parse 'trace_rate', got: "),
        ("trace_rate", "7x", "Unable to parse 'trace_rate', got: 7x"),
        ("trace_rate", "1_0", "Unable to parse 'trace_rate', got: 1_0"),
        ("trace_rate", "٣", "Unable to parse 'trace_rate', got: ٣"),
        ("trace_rate", "-1", "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: -1"),
        (
            "log_frequency",
            "99999999999",
            "Unable to parse 'log_frequency', value is out of range [ 0, 4294967295 ], got: 99999999999",
        ),
        ("trace_count", "-2", "Unable to parse 'trace_count'. Expecting value >= -1, got: -2"),
        (
            "trace_count",
            "99999999999",
            "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: 99999999999",
        ),
        (
            "trace_count",
            "9" * 40,
            "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: " + "9" * 40,
        ),
    ],
)
def test_what_is_no_such_number(key: str, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_number(key, text)
    assert message == caught.value.message
