from __future__ import annotations

import re

import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.tasks.parameters import Parameters, flag, one_of, text, text_list, whole_number

SPECS = [
    whole_number("top_k", 5),
    flag("multi_label", False),
    one_of("mode", "none", ("none", "first")),
    text_list("targets", None),
    text("template", "This is {}."),
]


def test_a_request_overrides_options_and_options_override_defaults() -> None:
    parameters = Parameters("fill-mask", SPECS, {"top_k": "3", "mode": "first"})
    assert parameters.of({})["top_k"] == 3
    assert parameters.of({"top_k": 2}) == {
        "top_k": 2,
        "multi_label": False,
        "mode": "first",
        "targets": None,
        "template": "This is {}.",
    }
    assert parameters.of({})["top_k"] == 3


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("top_k", 7, 7),
        ("top_k", "7", 7),
        ("top_k", 7.0, 7),
        ("multi_label", True, True),
        ("multi_label", "False", False),
        ("targets", "a, b,,c", ("a", "b", "c")),
        ("targets", '["a,b", " c"]', ("a,b", " c")),
        ("targets", ["a"], ("a",)),
    ],
)
def test_good_values(name: str, raw: object, value: object) -> None:
    assert Parameters("t", SPECS, {}).of({name: raw})[name] == value


@pytest.mark.parametrize(
    ("name", "raw", "expects"),
    [
        ("top_k", 0, "a whole number of at least 1"),
        ("top_k", 1.5, "a whole number"),
        ("top_k", True, "a whole number"),
        ("top_k", "many", "a whole number"),
        ("multi_label", 1, "true or false"),
        ("mode", "last", "one of none, first"),
        ("targets", 3, "a JSON array of strings"),
        ("targets", "[1, 2]", "a JSON array of strings"),
        ("targets", "[oops", "a JSON array of strings"),
        ("targets", "[" * 100_000, "a JSON array of strings"),
        ("top_k", float("inf"), "a whole number"),
        ("top_k", "9" * 5_000, "a whole number"),
        ("template", 3, "a string"),
    ],
)
def test_bad_values_are_refused_with_what_is_expected(name: str, raw: object, expects: str) -> None:
    with pytest.raises(InvalidRequest, match=f"t: parameter '{name}' is .*{expects}"):
        Parameters("t", SPECS, {}).of({name: raw})
    with pytest.raises(InvalidConfiguration, match=f"parameter '{name}'"):
        Parameters("t", SPECS, {name: raw})


@pytest.mark.parametrize("name", ["topk", "top-k", "TopK", "top_k ", "multilabel", "multi_labels"])
def test_names_close_to_a_known_one_are_refused(name: str) -> None:
    meant = "top_k" if name.lower().startswith("top") else "multi_label"
    message = f"t has no parameter '{name}'; did you mean '{meant}'? It has: top_k, multi_label"
    with pytest.raises(InvalidRequest, match=re.escape(message)):
        Parameters("t", SPECS, {}).of({name: 1})


@pytest.mark.parametrize(
    "name", ["content_type", "trace_id", "X-Request-Id", "user", "headers", "max_tokens", "temperature", "", "größe"]
)
def test_parameters_for_others_are_ignored(name: str) -> None:
    subject = Parameters("t", SPECS, {})
    assert subject.of({name: "anything"}) == subject.of({})
    assert subject.of({name: "anything", "top_k": 3}) == subject.of({"top_k": 3})


def test_unknown_options_are_refused_with_those_known() -> None:
    with pytest.raises(InvalidConfiguration, match="t has no parameter 'content_type'; it has: top_k, multi_label"):
        Parameters("t", SPECS, {"content_type": "str"})
    with pytest.raises(InvalidConfiguration, match="it has: none"):
        Parameters("t", [], {"topk": 1})
