"""Patterns over header names: the same answers as Python's `re`, in bounded time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.errors import InvalidConfiguration
from naiad.wire.name_pattern import NamePattern


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
        ("(?P<name>a)(b)", ["ab"], ["ba"]),
        ("(?<name>a)(b)", ["ab"], ["ba"]),
        ("", ["anything", ""], []),
        ("^$", [""], ["a"]),
        ("a|", ["a", "b", ""], []),
        ("^[]a-]$", ["]", "a", "-"], ["b"]),
        ("^a{0}b$", ["b"], ["ab"]),
    ],
)
def test_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = NamePattern(pattern)
    assert [name for name in yes if not compiled.matches(name)] == []
    assert [name for name in no if compiled.matches(name)] == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "a ( without its )"),
        ("a)", "a ) without its ("),
        ("[a", "an end too early"),
        ("[b-a]", "a range whose end is before its beginning"),
        ("*", "a * with nothing before it"),
        ("a**", "a * with nothing before it"),
        ("a{2,1}", "not in order"),
        ("a{1001}", "above 1000"),
        ("a{x}", "a { that is not {m}"),
        ("\\", "an end too early"),
        (r"(a)\1", r"\1, which is not known here"),
        (r"\bx", r"\b, which is not known here"),
        ("(?=a)", "a kind of group"),
        ("(?<!a)b", "a kind of group"),
        ("(?<!a)b>", "a kind of group"),
        ("(?P<a", "a kind of group"),
        ("[[:alpha:]]", "a named class"),
        ("(((a{100}){100}){100})", "too large a pattern"),
        ("(" * 60 + ")" * 60, "more than 50 groups"),
        ("a" * 3000, "too large a pattern"),
    ],
)
def test_mistakes(pattern: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(message)):
        NamePattern(pattern)


def test_no_name_takes_ages() -> None:
    """Each of these keeps Python's own `re` busy for hours."""
    for pattern in ("^(a+)+$", "^(a|a)*$", "^(a*)*b", "^(a|aa)+$"):
        compiled = NamePattern(pattern)
        began = time.perf_counter()
        compiled.matches("a" * 200 + "!")
        compiled.matches("a" * 100_000 + "!")
        assert time.perf_counter() - began < 1


ATOMS = st.sampled_from(["a", "b", "-", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\-", "^", "$", "1"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "+?"])


@st.composite
def patterns(draw: st.DrawFn, depth: int = 3) -> str:
    """A pattern of groups inside each other, never repeated without a group around."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        if depth and draw(st.booleans()):
            choices = [draw(patterns(depth - 1)) for _ in range(draw(st.integers(1, 2)))]
            parts.append(f"(?:{'|'.join(choices)}){draw(REPEATS)}")
        else:
            atom = draw(ATOMS)
            parts.append(atom if atom in "^$" else atom + draw(REPEATS))
    return "".join(parts)


@given(patterns(), st.text("abcABC-1.", max_size=8))
def test_says_what_re_says(pattern: str, name: str) -> None:
    expected = re.search(pattern.replace("$", r"\Z"), name, re.IGNORECASE) is not None
    assert NamePattern(pattern).matches(name) == expected


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_is_a_pattern_or_a_named_mistake(pattern: str, name: str) -> None:
    try:
        compiled = NamePattern(pattern)
    except InvalidConfiguration as error:
        assert "for headers" in error.message  # noqa: PT017 - both ways are right
        return
    assert compiled.matches(name) in (True, False)
