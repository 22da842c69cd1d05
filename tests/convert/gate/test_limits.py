"""What passes the gate and what does not: every precision, both sides of its limits."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.convert.gate.compare import Comparison
from naiad.convert.gate.limits import IN_COMPANY, LIMITS, Setting, limits_for, objections
from naiad.convert.gate.report import ALONE, Report, judge

GOOD = Comparison("logits", 40, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0)


def comparison(**changes: Any) -> Comparison:
    fields = {name: getattr(GOOD, name) for name in Comparison.__slots__}
    return Comparison(**{**fields, **changes})


@pytest.mark.parametrize("setting", [Setting.DEFAULT, Setting.STRICT])
@pytest.mark.parametrize("precision", LIMITS)
def test_equal_answers_pass(precision: str, setting: Setting) -> None:
    assert objections(GOOD, limits_for(precision, setting)) == []


@pytest.mark.parametrize(
    ("precision", "setting", "changes", "expected"),
    [
        ("fp32", "default", {"max_difference": 0.9e-4}, []),
        ("fp32", "default", {"max_difference": 1.1e-4}, ["differs by 0.00011 of its scale, limit 0.0001"]),
        ("fp32", "default", {"max_difference": 1.1e-4, "scale": 2.0}, []),
        ("fp32", "strict", {"max_difference": 0.9e-4}, ["differs by 9e-05 of its scale, limit 2e-05"]),
        ("fp32", "default", {"same_best": 0.99}, ["99.0% of the best answers are the same, limit 100.0%"]),
        ("int8", "default", {"max_difference": 0.5, "mean_cosine": 0.98}, []),
        ("int8", "default", {"same_best": 0.5}, []),
        ("int8", "default", {"same_best": None, "mean_cosine": 0.98}, ["mean cosine 0.98000, limit 0.99"]),
        ("int8", "default", {"same_best": None, "lowest_cosine": 0.8}, ["lowest cosine 0.80000, limit 0.9"]),
        ("int8", "strict", {"same_best": 0.98}, ["98.0% of the best answers are the same, limit 99.0%"]),
        ("int8", "strict", {"lowest_cosine": 0.98}, ["lowest cosine 0.98000, limit 0.99"]),
    ],
)
def test_limits(precision: str, setting: str, changes: dict[str, Any], expected: list[str]) -> None:
    assert objections(comparison(**changes), limits_for(precision, Setting(setting))) == expected


def test_quantised_scores_fail_where_direction_and_answers_are_lost() -> None:
    found = objections(comparison(mean_cosine=0.9, same_best=0.9), limits_for("int8", Setting.DEFAULT))
    assert len(found) == 2


@pytest.mark.parametrize("precision", LIMITS)
def test_values_that_are_not_finite_never_pass(precision: str) -> None:
    for setting in (Setting.DEFAULT, Setting.STRICT):
        assert objections(comparison(max_difference=float("inf")), limits_for(precision, setting))


def test_a_limit_of_ones_own() -> None:
    assert objections(comparison(max_difference=0.2), limits_for("fp32", Setting.DEFAULT, relative=0.3)) == []


def test_strict_is_nowhere_laxer() -> None:
    for table in LIMITS.values():
        strict, default = table[Setting.STRICT], table[Setting.DEFAULT]
        assert (strict.relative or 0) <= (default.relative or 0)
        assert (strict.mean_cosine or 0) >= (default.mean_cosine or 0)
        assert (strict.lowest_cosine or 0) >= (default.lowest_cosine or 0)
        assert (strict.same_best or 0) >= (default.same_best or 0)
        assert not strict.either
    assert IN_COMPANY.keys() == LIMITS.keys()


def test_company_has_limits_of_its_own() -> None:
    found = comparison(max_difference=1e-3)
    assert judge("int8", ALONE, found, Setting.DEFAULT).objections == ()
    assert judge("fp32", ALONE, found, Setting.DEFAULT).objections


def test_a_report_passes_when_nothing_is_objected_to() -> None:
    bad = judge("fp32", "transformers", comparison(max_difference=1.0), Setting.DEFAULT)
    off = judge("fp32", "transformers", comparison(max_difference=1.0), Setting.OFF)
    report = Report(Setting.DEFAULT, "transformers", 40, 512, (bad,))
    assert not report.passed
    assert report.objections() == ["fp32: logits against transformers: differs by 1 of its scale, limit 0.0001"]
    assert Report(Setting.OFF, "transformers", 40, 512, (off,)).passed


def test_documents_are_json() -> None:
    bad = judge("fp32", "transformers", comparison(max_difference=float("inf")), Setting.DEFAULT)
    document = Report(Setting.DEFAULT, "transformers", 40, 512, (bad,)).document()
    assert document["outputs"][0]["max_difference"] is None
    assert document["passed"] is False
