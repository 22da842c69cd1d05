"""Answers of one stream keep their order, though some are written in a thread."""

from __future__ import annotations

import asyncio
import threading

from naiad.serving.outbox import Outbox
from naiad.serving.worker import Worker


async def test_what_comes_behind_a_long_answer_waits_for_it() -> None:
    sent: list[object] = []
    empty = asyncio.Event()
    may_end = threading.Event()
    worker = Worker()
    outbox = Outbox(worker, empty.set)
    outbox.put(lambda: sent.append(1))
    assert (sent, outbox.is_empty) == ([1], True)
    outbox.put_long(2**30, lambda: may_end.wait(20), lambda _: sent.append(2))
    outbox.put(lambda: sent.append(3))
    outbox.put_long(1, lambda: 4, sent.append)
    outbox.put(lambda: sent.append(5))
    assert (sent, outbox.is_empty) == ([1], False)
    may_end.set()
    await asyncio.wait_for(empty.wait(), 20)
    assert (sent, outbox.is_empty) == ([1, 2, 3, 4, 5], True)
    worker.close()


async def test_nothing_is_sent_once_it_is_cleared() -> None:
    sent: list[object] = []
    worker = Worker()
    outbox = Outbox(worker)
    outbox.put_long(1, lambda: 1, sent.append)
    outbox.put(lambda: sent.append(2))
    outbox.clear()
    await asyncio.wait_for(worker.quiet(), 20)
    assert (sent, outbox.is_empty) == ([], True)
    worker.close()
