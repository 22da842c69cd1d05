"""Pull, lock, start again: with the real huggingface_hub client against a local Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from naiad.repository import LineProgress, read_lock
from naiad.testing import LocalHub

Files = dict[str, bytes]
WANTED = [
    "1_Pooling/config.json", "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json",
]  # fmt: skip


def test_only_what_is_needed_is_downloaded_and_it_is_right(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    commit = hub.add("org/name", checkpoint)
    fetched = pull("org/name")
    assert (fetched.commit, [file.path for file in fetched.files]) == (commit, WANTED)
    assert {path: (fetched.folder / path).read_bytes() for path in WANTED} == {p: checkpoint[p] for p in WANTED}
    assert sorted(p.relative_to(fetched.folder).as_posix() for p in fetched.folder.rglob("*") if p.is_file()) == WANTED
    assert commit in fetched.origin
    # config.json decides what to choose, so it comes before there is anything to show.
    assert pull.progress.done == {f"name/{path}": len(checkpoint[path]) for path in WANTED if path != "config.json"}


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
    assert "the Hub may not be contacted in offline mode" in offline.stdout
    assert hub.count() == asked
    assert "may not be contacted" in run(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty")).stderr


def test_several_models_side_by_side(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    names = [f"org/name{number}" for number in range(6)]
    for name in names:
        hub.add(name, {**checkpoint, "model.safetensors": name.encode() * 200_000})
    lines: list[str] = []
    progress = LineProgress(lines.append)
    with ThreadPoolExecutor(6) as pool:
        fetched = list(pool.map(lambda name: pull(name, progress=progress), names))
    assert [(each.folder / "model.safetensors").read_bytes()[:9].decode() for each in fetched] == names
    assert sorted(locked.reference for locked in read_lock(pull.lock).values()) == [f"hf://{name}" for name in names]
    assert "100 %" in lines[-1]


def test_the_same_model_by_two_processes_at_once(hub: LocalHub, pull: Any, checkpoint: Files) -> None:
    hub.add("org/name", checkpoint)
    code = (
        "import sys; from pathlib import Path; from naiad.repository import *\n"
        "settings = FetchSettings(cache_dir=Path(sys.argv[1]), endpoint=sys.argv[2], builder_knows=lambda c: True)\n"
        "print(fetch(ModelEntry.from_source('org/name'), settings).commit)"
    )
    run = [sys.executable, "-c", code, str(pull.cache), hub.url]
    both = [subprocess.Popen(run, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate()[0] for process in both}) == 1
    assert hub.count("GET", "/blobs/") == 1
