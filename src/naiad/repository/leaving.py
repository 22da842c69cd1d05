"""Which files of a folder may leave the machine: no keys and tokens, no pickles, and code only when it is asked for."""

from __future__ import annotations

import re
from pathlib import Path

from naiad.core.errors import InvalidConfiguration
from naiad.repository.hub.choose import CODE, PICKLES

_SECRET_NAMES = re.compile(
    r"(^|/)(\.env.*|\.netrc|\.npmrc|\.pypirc|id_[a-z0-9]+|.*\.(pem|key|p12|pfx|jks)|token|credentials.*)$"
)
_SECRET_TEXT = re.compile(rb"\bhf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
_TEXT_UP_TO_BYTES = 2**20
"""Larger files are weights; looking into them for tokens would take minutes and find nothing."""
_NEVER_PUSHED = {".git", ".cache", ".naiad", "__pycache__"}
"""Folders of tools; `.naiad` holds graphs that were converted from the weights beside it."""


def files_that_may_leave(folder: Path, *, allow_code: bool = False) -> list[str]:
    """Give the paths to upload, relative to the folder, sorted. Raises InvalidConfiguration for what must stay here."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    files = [path.as_posix() for path in paths if not _NEVER_PUSHED.intersection(path.parts)]
    secrets = [path for path in files if _SECRET_NAMES.search(path) or _has_secret(folder / path)]
    if secrets:
        raise InvalidConfiguration(f"{secrets[0]} looks like a secret; take it out of {folder} to push", files=secrets)
    pickles = [path for path in files if path.endswith(PICKLES)]
    if pickles:
        raise InvalidConfiguration(
            f"{pickles[0]} can run code when it is opened; convert it to safetensors or ONNX, or take it out of "
            f"{folder}",
            files=pickles,
        )
    code = [path for path in files if path.endswith(CODE)]
    if code and not allow_code:
        raise InvalidConfiguration(
            f"{code[0]} is code; take it out of {folder}, or allow it with --allow-code", files=code
        )
    return files


def _has_secret(path: Path) -> bool:
    if path.stat().st_size > _TEXT_UP_TO_BYTES:
        return False
    return _SECRET_TEXT.search(path.read_bytes()) is not None
