"""Log lines: one line each, whatever a client put into them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import LogSettings
from naiad.observe.logs.lines import JsonFormatter, LogOptions, TextFormatter, log_table, set_up_logging


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("naiad.x", logging.WARNING, __file__, 1, message, arguments, None)
    vars(made).update(extra)
    return made


FORGED = "line one\nINFO forged line\r\x1b[31m"


def test_text_is_one_line_and_shows_control_characters() -> None:
    line = TextFormatter().format(record("model %s", FORGED))
    assert "\n" not in line
    assert "\x1b" not in line
    assert r"line one\nINFO forged line\r\x1b[31m" in line
    assert " warning " in line


def test_json_is_one_object_with_the_extras() -> None:
    line = JsonFormatter().format(record("model %s", FORGED, request_id="7"))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == f"model {FORGED}"
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("warning", "naiad.x", "7")
    assert entry["time"].endswith("Z")


def test_exceptions_are_kept() -> None:
    error = ValueError("inner")
    made = logging.LogRecord("n", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, None))
    assert "ValueError: inner" in json.loads(JsonFormatter().format(made))["exception"]
    assert "ValueError: inner" in TextFormatter().format(made)


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_what_an_exception_says_forges_no_line(end: str) -> None:
    error = ValueError(f"inner{end}12:00:00 info    forged\x1b[31m")
    made = logging.LogRecord("n", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, None))
    first, *rest = TextFormatter().format(made).splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


def test_json_has_no_character_that_ends_a_line_or_moves_a_cursor() -> None:
    text = "a\x85b\u2028c\x9b31m\udc80"
    line = JsonFormatter().format(record("%s", text))
    assert line.isprintable()
    assert json.loads(line)["message"] == text


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger below the one that is set up, which is put back afterwards."""
    root = logging.getLogger("naiad")
    for name, value in (("handlers", []), ("propagate", True), ("level", logging.NOTSET)):
        monkeypatch.setattr(root, name, value)
    yield logging.getLogger("naiad.test")
    for handler in root.handlers:
        handler.close()


LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "IWE"),
        ({"log_level": "debug"}, "DIWE"),
        ({"log_level": "warning"}, "WE"),
        ({"log_level": "error"}, "E"),
        ({"log_verbose": 1}, "DIWE"),
        ({"log_info": False}, "WE"),
        ({"log_warning": False}, "IE"),
        ({"log_error": False}, "IW"),
        ({"log_info": False, "log_warning": False, "log_error": False}, ""),
    ],
)
def test_each_level_on_its_own(logger: logging.Logger, tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    file = tmp_path / "log"
    set_up_logging(LogOptions.of(LogSettings.of(log_file=str(file), log_format="json", **settings)))
    for level in LEVELS:
        logger.log(level, "x")
    written = [json.loads(line)["level"][0].upper() for line in file.read_text().splitlines()]
    assert "".join(written) == expected


def test_a_file_is_appended_to_and_followed(logger: logging.Logger, tmp_path: Path) -> None:
    """Whoever rotates logs moves the file away."""
    file = tmp_path / "log"
    file.write_text("before\n")
    set_up_logging(LogOptions(file=str(file), format="text"))
    logger.info("one")
    file.rename(tmp_path / "log.1")
    logger.info("two")
    assert re.fullmatch(r"before\n.* one\n", (tmp_path / "log.1").read_text())
    assert re.fullmatch(r".* two\n", file.read_text())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"--log-file: cannot write .*: Is a directory"):
        set_up_logging(LogOptions(file=str(tmp_path)))


ROWS = [("Model", "Version"), ("simple\n| forged |", "1")]


def test_a_table_in_tritons_lines(logger: logging.Logger, tmp_path: Path) -> None:
    set_up_logging(LogOptions(file=str(tmp_path / "log"), format="default"))
    log_table(logger, ROWS)
    head, *rest = (tmp_path / "log").read_text().split("\n")
    place = re.escape(Path(__file__).name)
    assert re.fullmatch(rf"I\d{{4}} \d\d:\d\d:\d\d\.\d{{6}} \d+ {place}:\d+\] ", head)
    assert rest == [
        "+--------------------+---------+",
        "| Model              | Version |",
        "+--------------------+---------+",
        r"| simple\n| forged | | 1       |",
        "+--------------------+---------+",
        "",
        "",
    ]


def test_the_operator_may_turn_the_escapes_of_tritons_formats_off(logger: logging.Logger, tmp_path: Path) -> None:
    for format_ in ("default", "iso8601", "text", "json"):
        file = tmp_path / format_
        settings = LogSettings.of(log_file=str(file), log_format=format_, log_escape=False)
        set_up_logging(LogOptions.of(settings))
        logger.info("one\ntwo")
        assert ("] one\ntwo\n" in file.read_text()) is (format_ in ("default", "iso8601"))


def test_a_table_elsewhere_is_a_line_for_each_row(logger: logging.Logger, tmp_path: Path) -> None:
    set_up_logging(LogOptions(file=str(tmp_path / "log")))
    log_table(logger, ROWS)
    lines = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == ["| Model              | Version |", r"| simple\n| forged | | 1       |"]
