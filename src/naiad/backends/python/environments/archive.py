"""Environments in archives, as conda-pack makes them: every member is checked before anything is written."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from naiad.backends.python.environments.places import kept
from naiad.core.errors import LoadFailed

MOST_BYTES = 64 << 30
MOST_MEMBERS = 2_000_000
_UNPACK_S = 600.0

_INTERPRETER = re.compile(r"(\./)?bin/python[0-9.]*")
"""What environments made by venv link to: the machine's Python."""


def unpacked(model: str, archive: Path) -> Path:
    """Return the folder in which an archive is unpacked; blocks. Raises LoadFailed."""
    try:
        status = archive.stat()
        what = f"{archive.resolve()} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
        return kept(what, lambda folder: _unpack(archive, folder))
    except (OSError, tarfile.TarError, EOFError, subprocess.SubprocessError) as error:
        raise LoadFailed(f"model '{model}': EXECUTION_ENV_PATH: {archive.name} cannot be unpacked: {error}") from error


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        members = []
        size = 0
        for member in opened:
            check(member)
            size += member.size
            members.append(member)
            if size > MOST_BYTES or len(members) > MOST_MEMBERS:
                raise tarfile.TarError(f"there is more in it than {MOST_BYTES} bytes or {MOST_MEMBERS} members")
        root = folder.resolve()
        for member in (one for one in members if PurePosixPath(one.name) != PurePosixPath()):
            _check_place(root, member)
            member.mode &= 0o755
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            opened.extract(member, folder, set_attrs=not member.issym(), numeric_owner=True)
    fixer = folder / "bin" / "conda-unpack"
    if fixer.is_file():
        command = [str(folder / "bin" / "python"), str(fixer)]
        done = subprocess.run(  # noqa: S603  the model's own
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_UNPACK_S
        )
        if done.returncode:
            words = (done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            raise tarfile.TarError(f"conda-unpack: {words[-1]}")


def check(member: tarfile.TarInfo) -> None:
    """Raise TarError for a member that may not be: a device, a pipe, a path or a link that leads out of the archive."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise tarfile.TarError(f"'{member.name}' is neither a file nor a folder nor a link")
    _check_inside(member.name, member.name)
    if member.islnk():
        _check_inside(member.name, member.linkname)
    if member.issym() and not _INTERPRETER.fullmatch(member.name):
        if member.linkname.startswith("/"):
            raise tarfile.TarError(f"'{member.name}' is a link to '{member.linkname}', which is not in the archive")
        _check_inside(member.name, str(PurePosixPath(member.name).parent / member.linkname))


def _check_inside(name: str, path: str) -> None:
    depth = 0
    for part in PurePosixPath(path).parts:
        depth += -1 if part == ".." else 0 if part == "." else 1
        if depth < 0 or part == "/":
            raise tarfile.TarError(f"'{name}' leads out of the archive")


def _check_place(root: Path, member: tarfile.TarInfo) -> None:
    """Raise TarError for a member that would be written through links to somewhere else, whatever their names say."""
    parent = (root / member.name).parent.resolve()
    if parent != root and root not in parent.parents:
        raise tarfile.TarError(f"'{member.name}' leads out of the archive")
    target = root / member.name
    if target.is_symlink():
        target.unlink()
    if member.islnk():
        linked = (root / member.linkname).resolve()
        if root not in linked.parents:
            raise tarfile.TarError(f"'{member.name}' is a link to what is not in the archive")
