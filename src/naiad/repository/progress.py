"""How a download is shown: bars in a terminal, plain lines elsewhere, nothing in tests.

Implementations may be called from several threads at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

SMALLEST_BAR_BYTES = 2**20
"""Smaller files are over before anyone has read their bars, and there are many."""


class Progress(Protocol):
    """One download of several files."""

    def begin(self, title: str, total_bytes: int) -> None:
        """Files are about to come; a title such as `downloading org/name at 1a2b3c4`."""
        ...

    def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:
        """So much of a file is there by now (all of it: it is complete)."""
        ...

    def note(self, sentence: str) -> None:
        """Something to know: a wait, a retry."""
        ...

    def end(self) -> None:
        """The download is over, well or not."""
        ...


class SilentProgress:
    """Shows nothing."""

    def begin(self, title: str, total_bytes: int) -> None:
        """See Progress."""

    def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:
        """See Progress."""

    def note(self, sentence: str) -> None:
        """See Progress."""

    def end(self) -> None:
        """See Progress."""


class LineProgress:
    """One line at the beginning, one for each tenth of the whole, one for each note.

    Downloads that run side by side are counted together.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._open, self._title, self._total, self._tenths = 0, "", 0, 0
        self._done: dict[str, int] = {}

    def begin(self, title: str, total_bytes: int) -> None:
        """See Progress."""
        with self._lock:
            if self._open == 0:
                self._title, self._total, self._tenths, self._done = title, 0, 0, {}
            else:
                self._title, self._tenths = "downloads together", 0
            self._open += 1
            self._total += total_bytes
            self._write(f"{title}: {size_text(total_bytes)}")

    def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:  # noqa: ARG002 (the protocol's)
        """See Progress."""
        with self._lock:
            self._done[file] = done_bytes
            done = sum(self._done.values())
            tenths = 10 * done // self._total if self._total else 10
            if tenths > self._tenths:
                self._tenths = tenths
                self._write(f"{self._title}: {10 * tenths} % ({size_text(done)})")

    def note(self, sentence: str) -> None:
        """See Progress."""
        self._write(sentence)

    def end(self) -> None:
        """See Progress."""
        with self._lock:
            self._open -= 1


class BarProgress:
    """A bar for each large file, by rich; for terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._open = 0
        self._lock = threading.Lock()

    def begin(self, title: str, total_bytes: int) -> None:
        """See Progress."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with self._lock:
            self._open += 1
            if self._bars is None:
                # Names of files and of errors are no markup and hold no emoji.
                console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
                self._bars = Bars(*columns, TimeRemainingColumn(), console=console, transient=True)
                self._tasks = {}
                self._bars.start()
            self._bars.console.print(f"{title}: {size_text(total_bytes)}")

    def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:
        """See Progress."""
        if size_bytes < SMALLEST_BAR_BYTES:
            return
        with self._lock:
            if file not in self._tasks:
                self._tasks[file] = self._bars.add_task(file, total=size_bytes)
            self._bars.update(self._tasks[file], completed=done_bytes)

    def note(self, sentence: str) -> None:
        """See Progress."""
        with self._lock:
            if self._bars is None:
                self._stream.write(sentence + "\n")
            else:
                self._bars.console.print(sentence)

    def end(self) -> None:
        """See Progress."""
        with self._lock:
            self._open -= 1
            if self._open <= 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None


def progress_for(stream: TextIO) -> Progress:
    """Bars if the stream is a terminal, else lines."""
    if stream.isatty():
        return BarProgress(stream)
    return LineProgress(lambda line: stream.write(line + "\n"))


def size_text(size_bytes: int) -> str:
    """A size for people: 91 MB."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


class Meter:
    """What huggingface_hub takes for a tqdm bar: hands its counts on to a Progress. One for each file.

    The library's Xet half counts what is on the disk by `update`, as plain HTTP does, and what came over the network
    by `update_transfer`, if the class has it; the first is what is shown.
    """

    def __init__(self, progress: Progress, file: str, size_bytes: int, done_bytes: int = 0) -> None:
        self._progress, self._file, self._size, self._done = progress, file, size_bytes, done_bytes

    def update(self, count: float | None = 1) -> None:
        """More bytes are there; negative when a download had to begin anew."""
        self._done += int(count or 0)
        self._progress.advance(self._file, max(0, min(self._done, self._size)), self._size)

    def update_transfer(self, count: float | None = 1) -> None:
        """Not shown: compressed and shared parts make it another number than the file's size."""

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Not shown: a Progress has its own idea of speed."""

    set_transfer_postfix_str = set_postfix_str

    def refresh(self) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
