"""Downloads that go wrong, caches that are not whole."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from naiad.core.errors import DownloadFailed
from naiad.core.machine import file_digests
from naiad.repository.hub.cache import CachedRepository
from naiad.repository.manifest.secret import Secret
from naiad.testing import LocalHub

Files = dict[str, bytes]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library writes to the disk every 10 MB; here every 64 kB, and its own second of waiting is none."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 2**16)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)


def test_a_cut_body_is_resumed_within_one_start(
    hub: LocalHub, pull: Any, checkpoint: Files, small_pieces: None
) -> None:
    hub.add("org/name", checkpoint)
    hub.cut_next("model.safetensors", after_bytes=500_000)
    fetched = pull("org/name")
    assert (fetched.folder / "model.safetensors").read_bytes() == checkpoint["model.safetensors"]
    assert [request.range for request in hub.requests if request.is_cdn] == ["", f"bytes={500_000 // 2**16 * 2**16}-"]


def test_an_interrupted_download_is_resumed_by_the_next_start(
    hub: LocalHub, pull: Any, checkpoint: Files, small_pieces: None, refusal: Any
) -> None:
    """The library itself would begin anew: it throws its partial file away."""
    hub.add("org/name", checkpoint)
    # Every attempt brings less than a piece, so that the library gives up after its six.
    hub.cut_next("model.safetensors", after_bytes=500_000)
    hub.cut_next("model.safetensors", after_bytes=100, times=200)
    with refusal(DownloadFailed, "cannot be reached"):
        pull("org/name")
    hub.requests.clear()
    hub.mend()
    fetched = pull("org/name")
    assert (fetched.folder / "model.safetensors").read_bytes() == checkpoint["model.safetensors"]
    assert [r.range for r in hub.requests if r.is_cdn] == [f"bytes={500_000 // 2**16 * 2**16}-"]
    assert not list(pull.cache.rglob("*incomplete*"))


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_download_is_resumed_by_the_next_start(
    hub: LocalHub, pull: Any, checkpoint: Files, blow: signal.Signals
) -> None:
    """The library writes 10 MB at a time; what the sockets hold besides is less than as much again."""
    weights = checkpoint["model.safetensors"] * 27
    hub.add("org/name", {**checkpoint, "model.safetensors": weights})
    hub.stall_next("model.safetensors", after_bytes=30_000_000)
    code = (
        "import signal, sys; from pathlib import Path; from naiad.repository import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it\n"
        "settings = FetchSettings(cache_dir=Path(sys.argv[1]), endpoint=sys.argv[2], builder_knows=lambda c: True)\n"
        "fetch(ModelEntry.from_source('org/name'), settings)"
    )
    command = [sys.executable, "-c", code, str(pull.cache), hub.url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert hub.is_stalled.wait(timeout=60)
        process.send_signal(blow)
    hub.mend()
    hub.requests.clear()
    assert (pull("org/name").folder / "model.safetensors").read_bytes() == weights
    (resumed,) = [request.range for request in hub.requests if request.is_cdn]
    assert int(resumed.removeprefix("bytes=").removesuffix("-")) >= 10_000_000


def test_what_was_complete_stays_when_another_file_fails(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any
) -> None:
    hub.add("org/name", checkpoint)
    hub.corrupt_next("model.safetensors")
    with refusal(DownloadFailed, "model.safetensors"):
        pull("org/name")
    hub.requests.clear()
    assert pull("org/name").files
    assert hub.count("GET", "tokenizer.json") == 0
    assert hub.count("GET", "/blobs/") == 1


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_wrong_checksum_is_refused_by_name_and_leaves_nothing_behind(
    hub: LocalHub, pull: Any, checkpoint: Files, file: str, refusal: Any
) -> None:
    hub.add("org/name", checkpoint)
    hub.corrupt_next(file)
    with refusal(DownloadFailed, file, "instead of"):
        pull("org/name")
    assert not list(pull.cache.glob(f"**/snapshots/*/{file}"))
    assert not pull.lock.exists()
    assert pull("org/name").files


def test_a_small_lfs_file_with_a_wrong_checksum(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    """Small ones come through the library, which looks at sizes only."""
    hub.add("org/name", {**checkpoint, "model.safetensors": b"short"})
    hub.corrupt_next("model.safetensors")
    with refusal(DownloadFailed, "model.safetensors has sha256", "instead of", "start again"):
        pull("org/name")
    assert pull("org/name").files


def test_a_missing_shard_is_named(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    del checkpoint["model.safetensors"]
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    hub.add("org/name", {**checkpoint, "model.safetensors.index.json": index, "model-1.safetensors": b"1"})
    with refusal(DownloadFailed, "shard model-2.safetensors is named by model.safetensors.index.json"):
        pull("org/name")


@pytest.mark.parametrize("damage", ["missing", "short", "long"])
def test_a_damaged_cache_is_mended_from_the_locked_commit(
    hub: LocalHub, pull: Any, checkpoint: Files, damage: str
) -> None:
    old = hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    hub.add("org/name", {**checkpoint, "model.safetensors": b"newer"})
    if damage == "missing":
        weights.unlink()
    else:
        content = checkpoint["model.safetensors"]
        weights.resolve().write_bytes(content[:-1] if damage == "short" else content + b"x")
    fetched = pull("org/name")
    assert (fetched.commit, weights.read_bytes()) == (old, checkpoint["model.safetensors"])
    assert bool(fetched.notices) == (damage != "missing")


def test_a_damaged_cache_without_hub_is_refused_by_name_with_the_file_to_replace(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any
) -> None:
    hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    weights.resolve().write_bytes(b"short")
    with refusal(DownloadFailed, "model.safetensors", "has 5 bytes instead of 1200000", str(weights)):
        pull("org/name", is_offline=True)
    assert weights.read_bytes() == b"short"


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_changed_bytes_of_the_same_size_are_found_at_the_next_start(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any, file: str
) -> None:
    """A large file by its sha256, a small one, too, once the lock knows it."""
    hub.add("org/name", checkpoint)
    path = pull("org/name").folder / file
    damaged = b"\0" * len(checkpoint[file])
    path.resolve().write_bytes(damaged)
    with refusal(DownloadFailed, file, "has sha256"):
        pull("org/name", is_offline=True)
    assert path.read_bytes() == damaged
    fetched = pull("org/name")
    assert f"{file} in the cache has sha256" in fetched.notices[0]
    assert path.read_bytes() == checkpoint[file]


def test_files_that_are_the_same_are_read_again_with_verify_only(
    hub: LocalHub, pull: Any, checkpoint: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "TICK_NS", -1)
    hub.add("org/name", checkpoint)
    pull("org/name")

    def fail(_: Any) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(file_digests, "KINDS", dict.fromkeys(file_digests.KINDS, fail))
    assert pull("org/name").files
    with pytest.raises(AssertionError, match="read again"):
        pull("org/name", verify=True)


@pytest.mark.parametrize("kind", ["is_private", "is_gated"])
def test_what_only_some_may_download_only_this_user_can_read(
    hub: LocalHub, pull: Any, checkpoint: Files, kind: str
) -> None:
    """Whatever the umask is, and also what was there before."""
    hub.add("org/name", checkpoint)
    hub.add("org/public", checkpoint)
    old = os.umask(0)
    try:
        pull("org/public")
        pull("org/name", lock_path=None)
        hub.add("org/name", checkpoint, tokens=("hf_x",), **{kind: True})
        pull("org/name", {"token": Secret("hf_x", "$TEAM")}, lock_path=None)
    finally:
        os.umask(old)
    folder = pull.cache / "models--org--name"
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.glob("blobs/*"))} == {0}
    assert (pull.cache / "models--org--public").stat().st_mode & 0o005 == 0o005


def test_what_another_program_left_in_the_cache_is_checked_before_it_is_locked(
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    hub.add("org/name", checkpoint)
    weights = pull("org/name", lock_path=None).folder / "model.safetensors"
    weights.resolve().write_bytes(b"\0" * len(checkpoint["model.safetensors"]))
    assert "downloaded again" in pull("org/name").notices[0]
    assert weights.read_bytes() == checkpoint["model.safetensors"]


def test_a_damaged_config_is_mended_before_it_decides(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    config = pull("org/name").folder / "config.json"
    config.resolve().write_bytes(b'{"model_type": "odd!"}')
    fetched = pull("org/name", update=True)
    assert config.read_bytes() == checkpoint["config.json"]
    assert "model.safetensors" in [file.path for file in fetched.files]


def test_other_bytes_than_the_locked_ones_are_not_taken(
    hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any
) -> None:
    """A Hub that answers a commit with something else than before."""
    commit = hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    weights.unlink()
    changed = bytes(len(checkpoint["model.safetensors"]))
    hub.repositories["org/name"].commits[commit]["model.safetensors"] = changed
    with refusal(DownloadFailed, "model.safetensors has sha256"):
        pull("org/name")


def test_contents_shared_between_repositories(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    """What comes by Xet lies once for all repositories, under a name that is not its sha256."""
    hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    blob, shared = weights.parent / weights.readlink(), pull.cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.resolve().rename(shared)
    blob.symlink_to(shared)
    assert pull("org/name", is_offline=True).files
    assert pull("org/name", is_offline=True, lock_path=None).notices
    shared.write_bytes(b"damaged")
    with refusal(DownloadFailed, "model.safetensors", "has 7 bytes"):
        pull("org/name", is_offline=True)
    assert pull("org/name").notices == (
        "model.safetensors in the cache has 7 bytes instead of 1200000: downloaded again",
    )
    assert weights.read_bytes() == checkpoint["model.safetensors"]


def test_disk_space_is_looked_at_first(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/name", checkpoint)
    with refusal(DownloadFailed, "1.2 MB have to be downloaded", "has 1.0 MB free", "HF_HOME"):
        pull("org/name", free_bytes=lambda folder: 1_000_000)
    assert hub.count("GET", "model.safetensors") == 0


def test_only_what_is_missing_needs_room(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    pull("org/name")
    assert pull("org/name", free_bytes=lambda folder: 0).files


def test_an_interrupted_download_needs_room_for_its_rest_only(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    weights = checkpoint["model.safetensors"]
    cached = CachedRepository(pull.cache, "org/name")
    unfinished = cached.unfinished(hashlib.sha256(weights).hexdigest())
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(weights[:1_000_000])
    fetched = pull("org/name", free_bytes=lambda folder: 300_000)
    assert (fetched.folder / "model.safetensors").read_bytes() == weights


def test_what_another_commit_brought_is_neither_downloaded_nor_said_to_be(
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    hub.add("org/name", checkpoint)
    pull("org/name")
    hub.add("org/name", {**checkpoint, "tokenizer.json": b'{"version": "2"}'})
    hub.requests.clear()
    pull.progress.titles.clear()
    moved = pull("org/name", update=True, free_bytes=lambda folder: 1000)
    assert hub.count("GET", "model.safetensors") == 0
    assert moved.origin.endswith("downloaded 16 bytes")
    assert [size for title, size in pull.progress.titles if title != "end"] == [16]
    assert (moved.folder / "model.safetensors").read_bytes() == checkpoint["model.safetensors"]
