"""The differential test: how its modules are found, how long its servers live, and its last line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, real_triton: object) -> Iterator[Callable[[str], Any]]:
    """Give the two servers of a configuration; one pair runs at a time."""
    from harness.region import shared_region
    from harness.servers import running_pair

    del real_triton  # it skips where there is none
    with shared_region() as memory, ExitStack() as stack:
        current: dict[str, Any] = {}

        def give(name: str) -> Any:
            if name not in current:
                stack.pop_all().close()
                current.clear()
                folder = tmp_path_factory.mktemp(name.replace(" ", "-"))  # Triton starts its Python programs by a shell
                current[name] = stack.enter_context(running_pair(name, folder, memory))
            return current[name]

        yield give


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from harness.report import COUNTS

    total = sum(COUNTS.values())
    if total:
        terminalreporter.write_line(
            f"compared with Triton: {total} cases, {COUNTS['equal']} equal, {COUNTS['listed']} differ as listed, "
            f"{COUNTS['wrong']} wrong"
        )
