"""What is going on while a model is converted: a bar in a terminal, one line for each step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from naiad.convert.export.process import Progress


@contextmanager
def conversion_progress() -> Iterator[Progress]:
    """Yield a function that is told what is going on; see `naiad.convert.export.process.Progress`."""
    if sys.stderr.isatty():
        yield from _bars()
    else:
        yield _Lines().tell


class _Lines:
    """Prints each step once."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, sentence: str, done: int, total: int) -> None:
        del done, total
        if sentence != self._last:
            self._last = sentence
            print(f"naiad: {sentence}", file=sys.stderr, flush=True)


def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(file=sys.stderr)) as bars:
        known: dict[str, int] = {}

        def tell(sentence: str, done: int, total: int) -> None:
            for name, number in known.items():
                if name != sentence and not bars.tasks[number].finished:
                    bars.update(bars.tasks[number].id, total=1, completed=1)
            if sentence not in known:
                known[sentence] = len(bars.tasks)
                bars.add_task(sentence, total=total or None)
            bars.update(bars.tasks[known[sentence]].id, completed=done, total=total or None)

        yield tell
        for number in known.values():
            if not bars.tasks[number].finished:
                bars.update(bars.tasks[number].id, total=1, completed=1)
