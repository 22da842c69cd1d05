"""A Hub that is busy or away."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import DownloadFailed
from naiad.testing import LocalHub

Files = dict[str, bytes]
WANTED = [
    "1_Pooling/config.json", "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json",
]  # fmt: skip


def test_429_is_waited_out_as_long_as_the_hub_asks(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    hub.fail_next(429, times=2, retry_after=7, path="/api/models")
    assert pull("org/name").files
    assert pull.slept == [7, 7]
    assert "answers 429" in pull.progress.notes[0]
    assert "trying again in 7 s" in pull.progress.notes[0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_hub_is_asked_again_and_again(hub: LocalHub, pull: Any, checkpoint: Files, status: int) -> None:
    hub.add("org/name", checkpoint)
    hub.fail_next(status, times=3, path="/api/models")
    assert pull("org/name").files
    assert pull.slept == [1, 2, 4]


def test_large_files_are_asked_for_again_too(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    hub.fail_next(503, times=2, path="model.safetensors")
    assert pull("org/name").files
    assert pull.slept == [1, 2]


def test_with_something_cached_retries_end_soon_and_the_lock_is_served(
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    commit = hub.add("org/name", checkpoint)
    pull("org/name")
    hub.fail_next(429, times=1000)
    fetched = pull("org/name", update=True)
    assert (fetched.commit, sum(pull.slept) <= 10) == (commit, True)
    assert "answers 429" in fetched.notices[0]
    assert "serving what is in the cache, which may be outdated" in fetched.notices[0]


def test_a_rate_limit_of_minutes_is_not_waited_for(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/name", checkpoint)
    hub.fail_next(429, times=1000, retry_after=300)
    with refusal(DownloadFailed, "answers 429", "it asks to wait 300 s", "naiad pull"):
        pull("org/name")
    assert pull.slept == []


@pytest.mark.parametrize("how", ["down", "offline", "500"])
def test_without_a_lock_a_complete_cache_is_served(hub: LocalHub, pull: Any, checkpoint: Files, how: str) -> None:
    commit = hub.add("org/name", checkpoint)
    pull("org/name", lock_path=None)
    if how == "down":
        with hub.refused_connections():
            fetched = pull("org/name", lock_path=None)
    else:
        hub.fail_next(500, times=1000)
        fetched = pull("org/name", lock_path=None, is_offline=how == "offline")
    assert (fetched.commit, [file.path for file in fetched.files]) == (commit, WANTED)
    assert "serving what is in the cache" in fetched.notices[0]


def test_without_lock_and_hub_an_incomplete_cache_is_refused_by_name(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any
) -> None:
    hub.add("org/name", checkpoint)
    folder = pull("org/name", lock_path=None).folder
    (folder / "model.safetensors").unlink()
    with refusal(DownloadFailed, "not complete", "no weights"):
        pull("org/name", lock_path=None, is_offline=True)


def test_without_lock_and_hub_a_damaged_cache_is_refused_by_name(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any
) -> None:
    hub.add("org/name", checkpoint)
    folder = pull("org/name", lock_path=None).folder
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(b"\0" + blob.read_bytes()[1:])
    with refusal(DownloadFailed, "damaged: model.safetensors has sha256", "delete"):
        pull("org/name", lock_path=None, is_offline=True)


def test_another_choice_of_files_falls_back_to_the_locked_commit(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    old = hub.add("org/name", checkpoint)
    pull("org/name")
    hub.add("org/name", {**checkpoint, "config.json": b"{}"})
    pull("org/name", lock_path=None)
    assert pull("org/name", {"weights": "safetensors"}, is_offline=True).commit == old


def test_nothing_cached_and_no_hub(hub: LocalHub, pull: Any, refusal: Any) -> None:
    with hub.refused_connections(), refusal(DownloadFailed, "cannot be reached", "naiad pull"):
        pull("org/name")
    with refusal(DownloadFailed, "the Hub may not be contacted in offline mode"):
        pull("org/name", is_offline=True)


def test_something_that_is_no_hub(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/name", checkpoint)
    with refusal(DownloadFailed, "answers 404"):
        pull("org/name", endpoint=hub.url + "/elsewhere")
