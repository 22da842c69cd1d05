"""Ensembles in naiad.yaml: what is read, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.condition import When
from naiad.core.model.ensemble import Ensemble, Step
from naiad.repository import EnsembleEntry
from naiad.repository.manifest.naiad_yaml import manifest_from_yaml

HEAD = "models:\n  - source: org/name\nensembles:\n"


def read(text: str) -> tuple[EnsembleEntry, ...]:
    return manifest_from_yaml(HEAD + text, Path("naiad.yaml")).ensembles


def test_steps_conditions_and_options() -> None:
    (entry,) = read(
        """
  - name: search
    steps:
      - {model: embed, inputs: {text: query}, outputs: {embedding: vector}}
      - model: judge
        version: 2
        when: {parameter: judged, equals: true}
        inputs: {text: query}
        outputs: {scores: scores}
    outputs: [vector, scores]
    response_cache: true
    max_inflight_requests: 8
"""
    )
    assert entry == EnsembleEntry(
        "search",
        Ensemble(
            (
                Step("embed", {"text": "query"}, {"embedding": "vector"}),
                Step("judge", {"text": "query"}, {"scores": "scores"}, "2", When(parameter="judged", equals=True)),
            ),
            8,
        ),
        ("vector", "scores"),
        True,
    )


STEP = "steps: [{model: m, inputs: {x: a}, outputs: {y: b}}]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"  - {{{STEP}}}", "naiad.yaml line 4, ensembles[0]: 'name' is missing"),
        ("  - {name: e}", "naiad.yaml line 4, ensembles[0]: 'steps' must be a list with at least one item"),
        (f"  - {{name: e, {STEP}, output: [b]}}", "unknown key 'output'; did you mean 'outputs'?"),
        ("  - {name: e, steps: [{model: m, inputs: {x: a}}]}", "ensemble 'e': step 0 needs outputs"),
        ("  - {name: e, steps: [{inputs: {x: a}, outputs: {y: b}}]}", "steps[0]: 'model' is missing"),
        ("  - {name: e, steps: [{model: m, inputs: [a], outputs: {y: b}}]}", "must be a mapping of names to values"),
        (
            "  - {name: e, steps: [{model: m, inputs: {x: a}, outputs: {y: b}, when: {parameter: p}}]}",
            "steps[0].when: give one of equals, not_equals",
        ),
        (
            "  - {name: e, steps: [{model: m, inputs: {x: a}, outputs: {y: b}, when: {parameter: p, equal: 1}}]}",
            "unknown key 'equal'; did you mean 'equals'?",
        ),
        (
            "  - {name: e, steps: [{model: m, version: -1, inputs: {x: a}, outputs: {y: b}}]}",
            "the version of step 0 must be a whole number above 0, not '-1'",
        ),
        (f"  - {{name: e, {STEP}, max_inflight_requests: -1}}", "max_inflight_requests: must not be negative"),
        (f"  - {{name: ../e, {STEP}}}", "'../e'"),
        (f"  - {{name: e, {STEP}}}\n  - {{name: e, {STEP}}}", "two models are called 'e'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(text)
    assert words in caught.value.message
    assert caught.value.message.startswith("naiad.yaml")
