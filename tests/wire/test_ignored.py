from __future__ import annotations

import logging

import pytest

from naiad.wire.ignored import warn_ignored

LOG = logging.getLogger("naiad.test")


def test_one_line_however_much_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    warn_ignored(LOG, "trace", [*(str(n) for n in range(1000)), "x" * 10_000, "good"], ("good",))
    (message,) = caplog.messages
    assert message == "1001 unknown trace settings were ignored ('0', '1', '2', '3', '4'); known: good"


def test_what_is_sent_is_cut_and_quoted(caplog: pytest.LogCaptureFixture) -> None:
    warn_ignored(LOG, "log", ["a\n" + "b" * 100], ("good",))
    assert caplog.messages == ["1 unknown log settings were ignored ('a\\n" + "b" * 62 + "'); known: good"]


def test_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    warn_ignored(LOG, "log", ["good"], ("good",))
    assert caplog.messages == []
