"""A test that hangs is named, with the place where it waits, and holds up no other.

Pytest's own clock stops at the first failure, so a teardown that waits for what hung would never end. Here, each phase
of a test has a limit of its own, the ini-option `faulthandler_timeout` in seconds; and the run outlives a worker's end.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real stderr, which no test's capture hides."""
    config.stash[_stderr] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item))


def _limited(item: pytest.Item) -> Generator[None, Any, Any]:
    """Past the limit, the process shows where its threads are and ends, also where one keeps the interpreter's lock."""
    limit = float(item.config.getini("faulthandler_timeout"))
    faulthandler.dump_traceback_later(limit, file=item.config.stash[_stderr], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


class _FileByFile(LoadFileScheduling):
    """The tests of one file to one worker; whoever replaces a worker that ended goes on behind the test that ended it.

    pytest-xdist 3.8 gives the same test to the next worker, and all finished files with it. A worker that holds nothing
    but finished files, or a single test (it runs one once it knows the next), reports nothing, is given nothing more,
    and the run never ends.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        files = self.assigned_work[node]
        left = [(file, test) for file, tests in files.items() for test, done in tests.items() if not done]
        if left:
            file, test = left[0]
            files[file][test] = True
        for file in [file for file, tests in files.items() if all(tests.values())]:
            del files[file]
        super().remove_node(node)
        return left[0][1] if left else None

    def schedule(self) -> None:
        super().schedule()
        for node in self.nodes:
            while self.workqueue and not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
                self._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _FileByFile | None:
    return _FileByFile(config, log) if config.getvalue("dist") == "loadfile" else None
