"""Versions with known faults are found, in the pins and in what the package asks for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from audit import OLD_AFTER_DAYS, age_of, bounds_below_a_fix, main, pins_below_a_fix
from pins import read_pins

TABLE: dict[str, Any] = {
    "as_of": date(2026, 1, 1),
    "fault": [{"package": "onnx", "fixed": "1.21.0", "ids": ["CVE-1"], "what": "reads other files"}],
}


def test_nothing_that_we_pin_or_let_in_has_a_known_fault(capsys: pytest.CaptureFixture[str]) -> None:
    status = main()
    printed = capsys.readouterr()
    assert (status, [line for line in printed.err.splitlines() if not line.startswith("warning: ")]) == (0, [])
    assert " known faults as of 20" in printed.out


@pytest.mark.parametrize(
    ("pin", "found"),
    [
        ("onnx==1.20.1", ["onnx==1.20.1 has CVE-1 (reads other files); pin 1.21.0 or newer"]),
        ("ONNX==1.9", ["ONNX==1.9 has CVE-1 (reads other files); pin 1.21.0 or newer"]),
        ("onnx==1.21.0rc1", ["onnx==1.21.0rc1 has CVE-1 (reads other files); pin 1.21.0 or newer"]),
        ("onnx==1.21", []),
        ("onnx==1.100.0", []),
        ("onnx-ir==1.1", []),
    ],
)
def test_a_pin_that_is_older_than_a_fix(pin: str, found: list[str]) -> None:
    assert list(pins_below_a_fix(list(read_pins(pin)), TABLE)) == found


def test_a_pin_may_be_accepted_for_one_version_and_as_long_as_it_is_needed() -> None:
    table = TABLE | {"accepted": [{"package": "onnx", "version": "1.20.1", "why": "of a test"}]}
    assert list(pins_below_a_fix(list(read_pins("onnx==1.20.1")), table)) == []
    (old, unused) = pins_below_a_fix(list(read_pins("onnx==1.20.0")), table)
    assert old.startswith("onnx==1.20.0 has CVE-1")
    assert unused.startswith("advisories.toml accepts onnx 1.20.1, which is not pinned")


@pytest.mark.parametrize(
    ("requirement", "is_found"),
    [
        ("onnx", True),
        ("onnx>=1.18", True),
        ("onnx<2", True),
        ("onnx>=1.21", False),
        ("onnx>=1.22,<2", False),
        ("onnx~=1.21.2", False),
        ("onnx==1.21.0", False),
    ],
)
def test_a_lower_bound_that_lets_a_fault_in(requirement: str, is_found: bool) -> None:
    assert bool(list(bounds_below_a_fix([requirement], TABLE))) is is_found


def test_an_old_table_is_a_warning() -> None:
    last = TABLE["as_of"] + timedelta(days=OLD_AFTER_DAYS)
    assert age_of(TABLE, last) == ""
    assert age_of(TABLE, last + timedelta(days=1)).startswith("advisories.toml is 91 days old")
