"""Places that cannot be used: each gives one clear error, at the start or to who submits, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from job_server import ask, body, post, put
from stores import claim_one, done, make, request

from naiad.core.errors import InvalidConfiguration, NotReady, Overloaded
from naiad.core.settings.config import ServerSettings
from naiad.jobs.sqlite.ledger import FILE
from naiad.testing import running_server


async def test_one_server_has_the_folder_for_itself(tmp_path: Path) -> None:
    first, second = make(str(tmp_path)), make(str(tmp_path))
    await first.open()
    with pytest.raises(InvalidConfiguration, match="another server keeps its jobs there"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


@pytest.mark.parametrize("content", [b"nonsense" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    store = make(str(tmp_path))
    with pytest.raises(InvalidConfiguration, match=r"cannot be used.*move it away"):
        await store.open()
    (tmp_path / FILE).unlink()
    await store.open()
    await store.close()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidConfiguration, match="jobs cannot be kept there"):
        await make(str(tmp_path / "file" / "jobs")).open()


async def test_others_cannot_read_it(tmp_path: Path) -> None:
    store = make(str(tmp_path / "jobs"))
    await store.open()
    await store.add(request())
    modes = {path.stat().st_mode & 0o077 for path in ((tmp_path / "jobs"), *(tmp_path / "jobs").iterdir())}
    await store.close()
    assert modes == {0}


async def test_a_file_that_another_program_has_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.jobs.sqlite.ledger._BUSY_S", 0.01)
    store = make(str(tmp_path))
    await store.open()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReady, match="locked by another program; try again"):
            await store.add(request())
        other.execute("ROLLBACK")
    await store.add(request())
    await store.close()


async def test_a_full_disk_refuses_what_is_new_and_keeps_what_is_there(tmp_path: Path) -> None:
    """SQLite's own bound on pages gives the error that a full disk gives; so does a file size limit, below."""
    store: Any = make(str(tmp_path))
    await store.open()
    first = await store.add(request(b"x"))
    await store._ledger.run(lambda connection: connection.execute("PRAGMA max_page_count = 20").fetchone())
    with pytest.raises(Overloaded, match="the disk of --jobs is full"):
        await store.add(request(bytes(90_000)))
    claim = await claim_one(store)
    assert (claim.id, claim.request.body) == (first.id, b"x")
    assert await store.finish(claim, done())
    await store.close()


FULL = """
import asyncio, resource, signal, sys
sys.path.insert(0, sys.argv[2])
from stores import make, request
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    store = make(sys.argv[1], max_size=10**9)
    await store.open()
    first = await store.add(request(b"x"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        await store.add(request(bytes(500_000)))
    except Exception as error:
        print(type(error).__name__, error)
    print((await store.read(first.id)).state)
    await store.close()
asyncio.run(main())
"""


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    """A real error of the system in the middle of a commit."""
    command = [sys.executable, "-c", FULL, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    refused, state = done.stdout.splitlines()
    assert refused.startswith(("Overloaded jobs cannot be kept now", "NotReady jobs cannot be kept now")), refused
    assert state == "waiting"


@pytest.mark.skipif(
    shutil.which("unshare") is None or os.getuid() != 0, reason="needs root: a small file system is mounted"
)
def test_a_disk_that_is_full_for_real(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=256k tmpfs {tmp_path} && exec {sys.executable} -c '{FULL}' {tmp_path}"
    script += f" {Path(__file__).parent}"
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    if "mount" in done.stderr:
        pytest.skip("no mounts here")
    assert done.stdout.splitlines()[0].startswith("Overloaded jobs cannot be kept now: the disk of --jobs is full"), (
        done
    )
    assert done.stdout.splitlines()[1] == "waiting"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("mysql://x", "there are folders, redis:// and rediss://"),
        ("redis://", "write a Redis server as redis://"),
        ("redis://:secret@host:99999", "write a Redis server as redis://"),
        ("redis://host/x", "write a Redis server as redis://"),
        ("redis://:secret@127.0.0.1:1", "redis://127.0.0.1:1: jobs cannot be kept now: .* does not answer"),
    ],
)
def test_places_that_there_are_not(tmp_path: Path, place: str, text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=text) as caught, running_server(str(put(tmp_path)), jobs=place):
        pass
    assert "secret" not in str(caught.value)


def test_a_password_that_is_wrong(tmp_path: Path, redis_processes: Any) -> None:
    redis = redis_processes("--requirepass", "right")
    address = f"{redis.host}:{redis.port}"
    models = str(put(tmp_path))
    wrong = running_server(models, jobs=f"redis://:wrong@{address}")
    with pytest.raises(InvalidConfiguration, match="does not let this server in") as caught, wrong:
        pass
    assert "wrong" not in str(caught.value)
    with running_server(models, jobs=f"redis://:right@{address}", allow_grpc=False) as server:
        assert post(server.url, body(1)).status == 202


def test_options_that_need_jobs() -> None:
    for options in ({"jobs_listing": True}, {"jobs_callback_host": ("a",)}, {"jobs_callback_key": "k"}):
        with pytest.raises(InvalidConfiguration, match="needs --jobs"):
            ServerSettings.of(**options)
    assert "secret" not in repr(ServerSettings.of(jobs="redis://:secret@h", jobs_callback_key="secret"))


def test_redis_that_is_away_for_a_while(tmp_path: Path, redis_processes: Any) -> None:
    """What is submitted meanwhile is refused; what runs is kept when Redis is back."""
    redis = redis_processes("--appendonly", "yes", "--appendfsync", "always")
    place, models = f"redis://{redis.host}:{redis.port}", str(put(tmp_path, ms=300))
    with running_server(models, jobs=place, allow_grpc=False) as server:
        path = post(server.url, body(4)).headers["Location"]
        while ask(f"{server.url}{path}").json["state"] != "running":
            pass
        redis.kill()
        said = post(server.url, body(5))
        assert (said.status, "does not answer" in said.error) == (503, True)
        redis.start()
        said = ask(f"{server.url}{path}/result?wait_s=60")
        while said.status != 200:
            said = ask(f"{server.url}{path}/result?wait_s=60")
        assert said.json["outputs"][0]["data"] == [4]
