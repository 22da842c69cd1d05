"""The whole way, with the real huggingface_hub client against a local Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NotFound
from naiad.repository import Secret, read_lock
from naiad.repository.hub import client as client_module
from naiad.testing import LocalHub

Files = dict[str, bytes]
WANTED = [
    "1_Pooling/config.json", "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json",
]  # fmt: skip


@contextmanager
def refusal(kind: type[Exception], *words: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert [word for word in words if word not in str(caught.value)] == []


# -- pull, lock, start again ------------------------------------------------------------------------------------------


def test_only_what_is_needed_is_downloaded_and_it_is_right(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    commit = hub.add("org/name", checkpoint)
    fetched = pull("org/name")
    assert (fetched.commit, [file.path for file in fetched.files]) == (commit, WANTED)
    assert {path: (fetched.folder / path).read_bytes() for path in WANTED} == {p: checkpoint[p] for p in WANTED}
    assert sorted(p.relative_to(fetched.folder).as_posix() for p in fetched.folder.rglob("*") if p.is_file()) == WANTED
    assert commit in fetched.origin
    # config.json decides what to choose, so it comes before there is anything to show.
    assert pull.progress.done == {path: len(checkpoint[path]) for path in WANTED if path != "config.json"}


def test_the_lock_holds_commit_sizes_and_checksums_of_everything(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    commit = hub.add("org/name", checkpoint)
    fetched = pull("org/name")
    (locked,) = read_lock(pull.lock).values()
    assert (locked.reference, locked.commit) == ("hf://org/name", commit)
    assert [(f.path, f.size_bytes, f.sha256) for f in locked.files] == [
        (f.path, f.size_bytes, f.sha256) for f in fetched.files
    ]
    assert all(len(file.sha256) == 64 for file in locked.files)


def test_the_next_start_asks_nobody(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    first, asked = pull("org/name"), hub.count()
    with hub.refused_connections():
        again = pull("org/name")
    assert (again.folder, again.files, hub.count()) == (first.folder, first.files, asked)
    assert "from the cache, as locked" in again.origin


def test_the_next_start_does_not_even_load_the_http_client(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    pull("org/name")
    code = (
        "import sys; from pathlib import Path; from naiad.repository import *\n"
        "settings = FetchSettings(lock_path=Path(sys.argv[1]), cache_dir=Path(sys.argv[2]))\n"
        "fetch(ModelEntry.from_source('org/name'), settings)\n"
        "print([name for name in ('httpx2', 'huggingface_hub.hf_api', 'rich', 'numpy') if name in sys.modules])"
    )
    run = [sys.executable, "-c", code, str(pull.lock), str(pull.cache)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_moved_branch_is_followed_only_on_update(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    old = hub.add("org/name", checkpoint)
    pull("org/name")
    new = hub.add("org/name", {**checkpoint, "model.safetensors": b"newer weights"})
    assert pull("org/name").commit == old
    updated = pull("org/name", update=True)
    assert (updated.commit, (updated.folder / "model.safetensors").read_bytes()) == (new, b"newer weights")
    assert pull("org/name").commit == new
    assert [locked.commit for locked in read_lock(pull.lock).values()] == [new]


def test_without_a_lock_the_branch_is_asked_for_each_time(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    pull("org/name", lock_path=None)
    new = hub.add("org/name", {**checkpoint, "config.json": b'{"model_type": "bert", "x": 1}'})
    assert pull("org/name", lock_path=None).commit == new


def test_another_choice_of_files_stays_at_the_locked_commit(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    old = hub.add("org/name", checkpoint)
    pull("org/name")
    hub.add("org/name", {**checkpoint, "config.json": b"{}"})
    onnx = pull("org/name", {"weights": "onnx"})
    assert (onnx.commit, "onnx/model.onnx" in [file.path for file in onnx.files]) == (old, True)
    assert len(read_lock(pull.lock)) == 2


def test_a_lock_that_cannot_be_written_is_told_and_the_model_is_served(
    hub: LocalHub, pull: Any, checkpoint: Files, tmp_path: Path
) -> None:
    hub.add("org/name", checkpoint)
    fetched = pull("org/name", lock_path=tmp_path / "missing" / "naiad.lock")
    assert "cannot be written (No such file or directory)" in fetched.notices[0]


def test_a_cache_that_cannot_be_written_serves_what_it_has(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    """Root may write everywhere, so the proof is that nothing is changed."""
    hub.add("org/name", checkpoint)
    pull("org/name")
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in pull.cache.rglob("*"))
    pull("org/name")
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in pull.cache.rglob("*")) == before


# -- revisions, subfolders, kinds of repository -----------------------------------------------------------------------


def test_branches_tags_and_commits(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    first = hub.add("org/name", checkpoint)
    hub.tag("org/name", "v1", first)
    second = hub.add("org/name", {**checkpoint, "config.json": b"{}"}, branch="refs/pr/2")
    assert pull("org/name@v1").commit == first
    assert pull(f"org/name@{first}").commit == first
    assert pull("org/name@refs/pr/2").commit == second
    with refusal(NotFound, "org/name has no such revision", "v9"):
        pull("org/name@v9")


def test_a_subfolder(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    files = {f"small/{path}": content for path, content in checkpoint.items()}
    commit = hub.add("org/name", {**files, "README.md": b"top"})
    fetched = pull("hf://org/name/small")
    assert fetched.folder.parts[-2:] == (commit, "small")
    assert [file.path for file in fetched.files] == WANTED
    assert pull("hf://org/name/small").files == fetched.files
    with refusal(InvalidConfiguration, "there is no folder smal", "there are small"):
        pull("hf://org/name/smal")
    with refusal(InvalidConfiguration, "did you mean its folder small?"):
        pull("hf://org/name")


def test_all_shards(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}'
    shards = {"model-1.safetensors": b"one", "model-2.safetensors": b"two", "model-3.safetensors": b"not named"}
    del checkpoint["model.safetensors"]
    hub.add("org/name", {**checkpoint, **shards, "model.safetensors.index.json": index})
    paths = [file.path for file in pull("org/name").files]
    assert [path for path in paths if "safetensors" in path] == [
        "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json",
    ]  # fmt: skip


def test_an_unknown_architecture_takes_the_onnx_file(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", {**checkpoint, "config.json": b'{"model_type": "strange"}'})
    paths = [file.path for file in pull("org/name").files]
    assert ("onnx/model.onnx" in paths, "model.safetensors" in paths) == (True, False)


def test_allow_and_ignore(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    entry = {"allow": ("*.json", "onnx/model_quantized.onnx", "README.md"), "ignore": ("*.md",)}
    expected = ["1_Pooling/config.json", "config.json", "modules.json", "onnx/model_quantized.onnx", "tokenizer.json"]
    assert [file.path for file in pull("org/name", entry).files] == expected
    by_name = pull("org/name", {"ignore": ("*.md",), "weights": "onnx/model_quantized.onnx"})
    assert [file.path for file in by_name.files] == expected


TRITON = {
    "add/config.pbtxt": b"backend: 'onnxruntime'",
    "add/1/model.onnx": b"onnx",
    "py/config.pbtxt": b"backend: 'python'",
    "py/1/model.py": b"import os",
    "README.md": b"models",
}


def test_triton_models_in_a_hub_repository(hub: LocalHub, pull: Any) -> None:
    hub.add("org/models", TRITON)
    fetched = pull("org/models")
    assert [file.path for file in fetched.files] == ["add/1/model.onnx", "add/config.pbtxt", "py/config.pbtxt"]
    assert "py/1/model.py; allow_code takes it" in fetched.notices[0]
    allowed = pull("org/models", {"allow_code": True})
    assert "py/1/model.py" in [file.path for file in allowed.files]


def test_a_repository_with_nothing_to_serve(hub: LocalHub, pull: Any) -> None:
    hub.add("org/data", {"README.md": b"x", "train.csv": b"1"})
    with refusal(InvalidConfiguration, "neither config.json", "README.md, train.csv"):
        pull("org/data")


def test_a_bare_name_that_the_hub_lacks_points_at_the_folder(
    hub: LocalHub, pull: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with refusal(NotFound, "no public repository org/name", "for the folder of that name write ./org/name"):
        pull("org/name")


# -- a Hub that is busy or away ---------------------------------------------------------------------------------------


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


def test_with_something_cached_patience_is_short_and_the_lock_is_served(
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    commit = hub.add("org/name", checkpoint)
    pull("org/name")
    hub.fail_next(429, times=1000)
    fetched = pull("org/name", update=True)
    assert (fetched.commit, sum(pull.slept) <= 10) == (commit, True)
    assert "answers 429" in fetched.notices[0]
    assert "serving what is in the cache, which may not be the newest" in fetched.notices[0]


def test_a_rate_limit_of_minutes_is_not_waited_for(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
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
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    hub.add("org/name", checkpoint)
    folder = pull("org/name", lock_path=None).folder
    (folder / "model.safetensors").unlink()
    with refusal(DownloadFailed, "not complete", "no weights"):
        pull("org/name", lock_path=None, is_offline=True)


def test_without_lock_and_hub_a_damaged_cache_is_refused_by_name(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    folder = pull("org/name", lock_path=None).folder
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(b"\0" + blob.read_bytes()[1:])
    with refusal(DownloadFailed, "damaged: model.safetensors has sha256", "delete"):
        pull("org/name", lock_path=None, is_offline=True)


def test_nothing_cached_and_no_hub(hub: LocalHub, pull: Any) -> None:
    with hub.refused_connections(), refusal(DownloadFailed, "cannot be reached", "naiad pull"):
        pull("org/name")
    with refusal(DownloadFailed, "offline mode forbids asking the Hub"):
        pull("org/name", is_offline=True)


def test_something_that_is_no_hub(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    with refusal(DownloadFailed, "answers 404"):
        pull("org/name", endpoint=hub.url + "/elsewhere")


# -- tokens -----------------------------------------------------------------------------------------------------------

GOOD, BAD = "hf_" + "g" * 34, "hf_" + "b" * 34


def test_a_private_repository_needs_a_token(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    with refusal(NotFound, "no public repository org/private", "HF_TOKEN", "token_env"):
        pull("org/private")
    assert pull("org/private", {"token": Secret(GOOD, "$TEAM")}).files


def test_hf_token_is_used_when_the_entry_has_none(
    hub: LocalHub, pull: Any, checkpoint: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    monkeypatch.setenv("HF_TOKEN", GOOD)
    assert pull("org/private").files


def test_a_wrong_token(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    with refusal(DownloadFailed, "does not accept <token from $TEAM>", f"{hub.url}/settings/tokens"):
        pull("org/private", {"token": Secret(BAD, "$TEAM")})


def test_a_gated_repository(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/gated", checkpoint, is_gated=True, tokens=(GOOD,))
    hub.add("org/other", checkpoint, is_gated=True, tokens=(BAD,))
    with refusal(DownloadFailed, "org/gated is gated", f"accept its terms at {hub.url}/org/gated", "HF_TOKEN"):
        pull("org/gated")
    with refusal(DownloadFailed, "org/gated is gated", "the account of <token from $TEAM>"):
        pull("org/gated", {"token": Secret(BAD, "$TEAM")})
    assert pull("org/gated", {"token": Secret(GOOD, "$TEAM")}).files


def test_the_token_is_printed_nowhere_and_does_not_reach_the_cdn(
    hub: LocalHub, pull: Any, checkpoint: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    hub.fail_next(503, times=1, path="model.safetensors")
    entry = {"token": Secret(GOOD, "$TEAM")}
    fetched = pull("org/private", entry)
    said = [*caplog.messages, *pull.progress.notes, repr(fetched), repr(entry), pull.lock.read_text()]
    for source in ("org/missing", "org/private@missing"):
        with pytest.raises(NotFound) as caught:
            pull(source, entry)
        said += [str(caught.value), repr(caught.value), repr(caught.value.detail), repr(caught.value.__cause__)]
    assert [text for text in said if GOOD in text] == []
    assert {request.token for request in hub.requests if not request.is_cdn} == {GOOD}
    assert {request.token for request in hub.requests if request.is_cdn} == {""}
    assert [path for path in pull.cache.rglob("*") if path.is_file() and GOOD.encode() in path.read_bytes()] == []


# -- downloads that go wrong ------------------------------------------------------------------------------------------


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
    hub: LocalHub, pull: Any, checkpoint: Files, small_pieces: None
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


def test_what_was_complete_stays_when_another_file_fails(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
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
    hub: LocalHub, pull: Any, checkpoint: Files, file: str
) -> None:
    hub.add("org/name", checkpoint)
    hub.corrupt_next(file)
    with refusal(DownloadFailed, file, "instead of"):
        pull("org/name")
    assert not list(pull.cache.glob(f"**/snapshots/*/{file}"))
    assert not pull.lock.exists()
    assert pull("org/name").files


def test_a_small_lfs_file_with_a_wrong_checksum(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    """Small ones come through the library, which looks at sizes only."""
    hub.add("org/name", {**checkpoint, "model.safetensors": b"short"})
    hub.corrupt_next("model.safetensors")
    with refusal(DownloadFailed, "model.safetensors has sha256", "instead of", "start again"):
        pull("org/name")
    assert pull("org/name").files


def test_a_missing_shard_is_named(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
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
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    weights.resolve().write_bytes(b"short")
    with refusal(DownloadFailed, "model.safetensors", "has 5 bytes instead of 1200000", str(weights)):
        pull("org/name", is_offline=True)
    assert weights.read_bytes() == b"short"


def test_changed_bytes_of_the_same_size_are_found_by_verify(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    damaged = b"\0" * len(checkpoint["model.safetensors"])
    weights.resolve().write_bytes(damaged)
    with refusal(DownloadFailed, "model.safetensors", "has sha256"):
        pull("org/name", verify=True, is_offline=True)
    fetched = pull("org/name", verify=True)
    assert "model.safetensors in the cache has sha256" in fetched.notices[0]
    assert weights.read_bytes() == checkpoint["model.safetensors"]


def test_what_another_program_left_in_the_cache_is_checked_before_it_is_locked(
    hub: LocalHub, pull: Any, checkpoint: Files
) -> None:
    hub.add("org/name", checkpoint)
    weights = pull("org/name", lock_path=None).folder / "model.safetensors"
    weights.resolve().write_bytes(b"\0" * len(checkpoint["model.safetensors"]))
    assert "downloaded again" in pull("org/name").notices[0]
    assert weights.read_bytes() == checkpoint["model.safetensors"]


def test_other_bytes_than_the_locked_ones_are_not_taken(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    """A Hub that answers a commit with something else than before."""
    commit = hub.add("org/name", checkpoint)
    weights = pull("org/name").folder / "model.safetensors"
    weights.unlink()
    changed = bytes(len(checkpoint["model.safetensors"]))
    hub.repositories["org/name"].commits[commit]["model.safetensors"] = changed
    with refusal(DownloadFailed, "model.safetensors has sha256"):
        pull("org/name")


def test_disk_space_is_looked_at_first(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    with refusal(DownloadFailed, "1.2 MB are to be downloaded", "has 1.0 MB free", "HF_HOME"):
        pull("org/name", free_bytes=lambda folder: 1_000_000)
    assert hub.count("GET", "model.safetensors") == 0


def test_only_what_is_missing_needs_room(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    pull("org/name")
    assert pull("org/name", free_bytes=lambda folder: 0).files


# -- the environment --------------------------------------------------------------------------------------------------


def test_the_environment_says_where_hub_and_cache_are(hub: LocalHub, checkpoint: Files, tmp_path: Path) -> None:
    hub.add("org/name", checkpoint)
    code = (
        "from naiad.repository import *\n"
        "fetched = fetch(ModelEntry.from_source('org/name'), FetchSettings())\n"
        "print(fetched.folder); print(fetched.notices)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment | more)

    first = run()
    assert first.stdout.startswith(str(tmp_path / "home" / "hub" / "models--org--name")), first.stderr
    asked = hub.count()
    offline = run(HF_HUB_OFFLINE="1")
    assert "offline mode forbids asking the Hub" in offline.stdout
    assert hub.count() == asked
    assert "offline mode forbids" in run(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty")).stderr


def test_resumable_files_are_those_worth_it() -> None:
    assert client_module.RESUMABLE_FROM_BYTES == 2**20
