from __future__ import annotations

import io

import pytest

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
    progress.begin("org/name", 10)
    progress.advance("model.safetensors", 5, 10)
    progress.advance("[/red]:smile:.json", 5, 10)
    progress.note("[/bold] no markup :smile:")
    progress.note("trying again")
    progress.advance("model.safetensors", 10, 10)
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
