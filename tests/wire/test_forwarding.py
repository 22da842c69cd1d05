"""Patterns over header names: RE2's, in either case, anywhere in the name, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration
from naiad.core.message import InferRequest
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.exchange import Headers


def matches(forwarding: Forwarding, name: str) -> bool:
    request = InferRequest("m")
    forwarding.add_metadata(request, {name: "value"})
    return request.parameters == {name: "value"}


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("my-h", ["my-h", "MY-H", "x-my-header"], ["my_h", "", "my"]),
        ("^my-h$", ["My-H"], ["my-h2", "amy-h"]),
        ("^(x-a|x-b).*", ["x-a", "X-B-more"], ["y-x-a", "x-c"]),
        ("x-[^a-c]$", ["x-d", "x--"], ["x-a", "x-B", "x-"]),
        (r"^\w+-\d{2,3}$", ["ab_1-12", "q-123"], ["-12", "a-1", "a-1234"]),
        (r"^a\.b$", ["a.b"], ["axb"]),
        ("^(?:ab)+?c?$", ["ab", "ABabC"], ["a", "c", "abcc"]),
        ("(?i)^X$", ["x"], ["xx"]),
        ("(?-i)^X$", ["X"], ["x"]),
        ("(?P<name>a)(b)", ["ab"], ["ba"]),
        ("(?<name>a)(b)", ["ab"], ["ba"]),
        ("^$", [""], ["a"]),
        ("a|", ["a", "b", ""], []),
        ("^[]a-]$", ["]", "a", "-"], ["b"]),
        ("^a{0}b$", ["b"], ["ab"]),
        ("^[[:alpha:]]+$", ["ab"], ["a1"]),
        (r"\bb", ["a-b"], ["ab"]),
        ("x", ["x" * 1000], ["a" * 1000]),
    ],
)
def test_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    forwarding = Forwarding(pattern)
    for _ in range(2):  # the second time remembered
        assert [name for name in yes if not matches(forwarding, name)] == []
        assert [name for name in no if matches(forwarding, name)] == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "missing )"),
        ("[a", "missing ]"),
        ("[b-a]", "invalid character class range"),
        ("*", "no argument for repetition operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?=a)", "invalid perl operator"),
        ("(((a{100}){100}){100})", "repetition"),
        ("\ud800", "not Unicode"),
    ],
)
def test_mistakes(pattern: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a pattern for headers: ") as caught:
        Forwarding(pattern)
    assert message in caught.value.message


def test_over_http_too_a_pattern_may_ask_for_the_case_that_was_sent() -> None:
    """Names of HTTP headers were put in lower case first, so that `(?-i)X-` matched none."""
    headers = Headers({b"x-tenant": b"a", b"x-user": b"b"})
    headers.note_written(b"x-tenant", b"X-Tenant")
    for pattern, expected in (
        ("(?-i)^X-", {"X-Tenant": "a"}),
        ("(?-i)^x-", {"x-user": "b"}),
        ("^x-(?-i:T)", {"X-Tenant": "a"}),
        ("^x-", {"X-Tenant": "a", "x-user": "b"}),
    ):
        request = InferRequest("m")
        Forwarding(pattern).add_headers(request, headers)
        assert request.parameters == expected, pattern


def test_no_name_takes_ages() -> None:
    """Each of these keeps Python's own `re` busy for hours."""
    for pattern in ("^(a+)+$", "^(a|a)*$", "^(a*)*b", "^(a|aa)+$"):
        forwarding = Forwarding(pattern)
        began = time.perf_counter()
        matches(forwarding, "a" * 200 + "!")
        matches(forwarding, "a" * 100_000 + "!")
        assert time.perf_counter() - began < 1


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_is_a_pattern_or_a_named_mistake(pattern: str, name: str) -> None:
    try:
        forwarding = Forwarding(pattern)
    except InvalidConfiguration as error:
        assert "for headers" in error.message  # noqa: PT017 - both ways are right
        return
    matches(forwarding, name)
