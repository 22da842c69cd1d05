"""Log settings changed at run time, on the real handler."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.observe.logs.control import LogControl
from naiad.observe.logs.lines import LogOptions, set_up_logging

ROOT = logging.getLogger("naiad")
LOG = logging.getLogger("naiad.somewhere")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A log file that is set up; everything is as before afterwards."""
    before = (list(ROOT.handlers), ROOT.level, ROOT.propagate)
    ROOT.handlers[:] = []
    set_up_logging(LogOptions(format="json", file=str(tmp_path / "log")))
    yield tmp_path / "log"
    for handler in ROOT.handlers:
        handler.close()
    ROOT.handlers[:], ROOT.propagate = before[0], before[2]
    ROOT.setLevel(before[1])


def say_all() -> None:
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        LOG.log(level, "one line\nof level %d", level)


def levels(file: Path) -> list[str]:
    """The levels of the lines, which are emptied."""
    found = [json.loads(line)["level"] for line in file.read_text().splitlines()]
    file.write_text("")
    return found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["info", "warning", "error"]),
        ({"log_info": False}, ["warning", "error"]),
        ({"log_warning": False}, ["info", "error"]),
        ({"log_error": False}, ["info", "warning"]),
        ({"log_verbose_level": 1, "log_info": False}, ["debug", "warning", "error"]),
    ],
)
def test_each_level_is_switched_on_its_own(file: Path, change: dict[str, object], expected: list[str]) -> None:
    control = LogControl(LogOptions(format="json", file=str(file)), may_change=True)
    control.change(change)
    levels(file)  # the change itself may have a line
    say_all()
    assert levels(file) == expected
    assert control.is_verbose is (change.get("log_verbose_level") == 1)


def test_what_was_started_quiet_can_be_made_to_speak(file: Path) -> None:
    options = LogOptions(info=False, format="json", file=str(file))
    set_up_logging(options)
    LogControl(options, may_change=True).change({"log_info": True})
    say_all()
    assert levels(file) == ["info", "warning", "error"]


def test_the_format_can_be_changed(file: Path) -> None:
    control = LogControl(LogOptions(format="json", file=str(file)), may_change=True)
    assert control.settings()["log_format"] == "default"
    assert control.change({"log_format": "ISO8601"})["log_format"] == "ISO8601"
    LOG.warning("a line\nforged \x1b[31m\u2028")
    assert file.read_text().rstrip("\n").endswith(r'"a line\nforged \u001b[31m\u2028"')
    assert control.change({"log_format": "default"})["log_format"] == "default"
    LOG.warning("x")
    assert file.read_text().splitlines()[-1].startswith("W")


def test_who_silences_the_error_log_leaves_a_line_in_it(file: Path) -> None:
    control = LogControl(LogOptions(format="json", file=str(file)), may_change=True)
    control.change({"log_info": False})
    assert levels(file) == []
    control.change({"log_error": False, "log_warning": False})
    assert "a client has turned off log messages of level error" in file.read_text()


def test_without_leave_nothing_changes() -> None:
    control = LogControl()
    with pytest.raises(Unsupported, match="Changes of log settings are disabled"):
        control.change({"log_error": False})
    assert control.change({}) == control.settings()
    assert control.settings()["log_error"] is True


def test_an_unknown_format_changes_nothing() -> None:
    control = LogControl(may_change=True)
    with pytest.raises(InvalidRequest, match="invalid argument for log_format, got: x"):
        control.change({"log_info": False, "log_format": "x"})
    assert control.settings()["log_info"] is True


def test_a_file_that_is_gone_for_good_leaves_the_settings(file: Path) -> None:
    control = LogControl(LogOptions(format="json", file=str(file.parent / "gone" / "log")), may_change=True)
    with pytest.raises(Unsupported, match="the log file can no longer be opened"):
        control.change({"log_info": False})
    assert control.settings()["log_info"] is True


def test_without_a_set_up_the_programs_own_handlers_stay() -> None:
    level, handlers = ROOT.level, list(ROOT.handlers)
    if handlers:
        pytest.skip("something has set up logging in this process")
    LogControl(may_change=True).change({"log_verbose_level": 1})
    assert (ROOT.level, ROOT.handlers) == (logging.DEBUG, [])
    ROOT.setLevel(level)
