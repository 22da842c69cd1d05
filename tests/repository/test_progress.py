from __future__ import annotations

import io
import logging

import pytest

from naiad.observe.logs.lines import LogOptions, set_up_logging
from naiad.repository import BarProgress, LineProgress, progress_for
from naiad.repository.progress import Meter, size_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_count_in_tenths() -> None:
    lines: list[str] = []
    progress = LineProgress(lines.append)
    progress.begin("downloading org/name at 1a2b3c4", 1000)
    for done in range(0, 501, 10):
        progress.advance("a", done, 500)
        progress.advance("b", done, 500)
    progress.note("trying again in 1 s")
    progress.end()
    assert lines[0] == "downloading org/name at 1a2b3c4: 1.0 kB"
    assert lines[1] == "downloading org/name at 1a2b3c4: 10 % (100 bytes)"
    assert lines[-2:] == ["downloading org/name at 1a2b3c4: 100 % (1.0 kB)", "trying again in 1 s"]
    assert len(lines) == 12


def test_bars_in_a_terminal() -> None:
    stream = Terminal()
    progress = progress_for(stream)
    assert isinstance(progress, BarProgress)
    progress.note("before")
    progress.begin("org/name", 10_000_000)
    progress.advance("model.safetensors", 5, 10_000_000)
    progress.advance("[/red]:smile:.json", 5, 10_000_000)
    progress.advance("config.json", 5, 10)
    progress.note("[/bold] no markup :smile:")
    progress.note("trying again")
    progress.advance("model.safetensors", 10_000_000, 10_000_000)
    progress.end()
    progress.end()
    for word in (
        "before",
        "org/name",
        "model.safetensors",
        "trying again",
        "[/bold] no markup :smile:",
        "[/red]:smile:",
    ):
        assert word in stream.getvalue()
    assert "config.json" not in stream.getvalue(), "small files fill the screen for nothing"


def test_what_is_logged_while_bars_are_drawn_stands_above_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging that kept the stream it began with wrote into the bars."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in (("handlers", []), ("propagate", True), ("level", logging.NOTSET)):
        monkeypatch.setattr(logging.getLogger("naiad"), name, value)
    set_up_logging(LogOptions(format="text"))
    progress = progress_for(stream)
    progress.begin("org/name", 10_000_000)
    progress.advance("model.safetensors", 5, 10_000_000)
    before = len(stream.getvalue())
    logging.getLogger("naiad.test").info("loaded")
    assert "\x1b[2K" in stream.getvalue()[before:].partition("loaded")[0], "the bars are wiped first"
    progress.end()


def test_lines_elsewhere() -> None:
    stream = io.StringIO()
    progress = progress_for(stream)
    progress.begin("org/name", 0)
    progress.advance("empty", 0, 0)
    assert "100 %" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_meter_never_shows_less_than_nothing_or_more_than_all() -> None:
    seen: list[int] = []

    class Seen(LineProgress):
        def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:
            seen.append(done_bytes)

    with Meter(Seen(seen.append), "a", 10, 4) as meter:
        for count in (3, -20, None, 100):
            meter.update(count)
    assert seen == [7, 0, 0, 10]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (90_868_376, "90.9 MB"),
        (5 * 10**11, "500 GB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
