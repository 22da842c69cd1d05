"""A server with nowhere to keep what it makes of a model: it serves all the same, says so once, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from naiad.testing import tiny_checkpoint

NAIAD = f"{sys.executable} -c 'from naiad.cli.main import main; main()'"
SERVE = f"{NAIAD} serve tiny=$MODEL --log-format text --http-port 0 --no-allow-grpc --no-allow-metrics"
READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0}"
EVERYTHING = f"for place in / $HOME $TMPDIR /tmp /var/tmp; do {READ_ONLY.format('$place')}; done"

NOBODY = "AS_USER='unshare -U --map-user=54321'"
"""A user who has no name and no home, as clusters have it; what is root's outside is theirs inside."""

CASES = {
    "a home that cannot be written": (READ_ONLY.format("$HOME"), "temporary"),
    "no home": (f"unset HOME XDG_CACHE_HOME; {NOBODY}", "temporary"),
    "a full disk": ("export NAIAD_CACHE=$FULL", "temporary"),
    "nothing that can be written": (f"{EVERYTHING}; cd /", "memory"),
}


def may_mount() -> bool:
    """Whether this user can have mounts of its own, as root can in most places."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-m", "bash", "-c", "mount -t tmpfs tmpfs /mnt && exec unshare -U --map-user=54321 true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="needs root: mounts are made read-only, or full")


@pytest.mark.parametrize("case", CASES)
def test_it_serves_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    prepare, place = CASES[case]
    shared = Path("/dev/shm")  # noqa: S108 - looked at
    model = tiny_checkpoint(tmp_path / "site-packages" / "tiny")
    folders = {name: tmp_path / name for name in ("home", "full", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    before = set(shared.glob("naiad-*"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NAIAD_", "XDG_", "TMP"))},
        "MODEL": str(model),
        "HOME": str(folders["home"]),
        "FULL": str(folders["full"]),
        "TMPDIR": str(folders["temporary"]),
        "HF_HUB_OFFLINE": "1",
    }
    fill = "mount -t tmpfs -o size=16k tmpfs $FULL; head -c 1M /dev/zero > $FULL/rest 2>/dev/null"
    script = f"{fill}; {prepare} && exec timeout 100 $AS_USER {SERVE}"
    process = subprocess.Popen(
        ["unshare", "-m", "bash", "-c", script], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"ready on (http://\S+)", line):
                data = json.dumps({"text": "hello"}).encode()
                with urllib.request.urlopen(f"{found[1]}/v2/models/tiny/generate", data, timeout=30) as answer:
                    assert len(json.loads(answer.read())["embedding"]) > 1
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process.stderr.close()
    finally:
        process.kill()
        process.wait()
    text = "".join(lines)
    warnings = [line for line in lines if "removed at exit" in line]
    assert len(warnings) == 1, text
    assert ("/dev/shm/naiad-" if place == "memory" else f"{folders['temporary']}/naiad-") in warnings[0], text  # noqa: S108
    assert "UNAVAILABLE" not in text
    assert list(folders["temporary"].iterdir()) == []
    assert set(shared.glob("naiad-*")) == before
