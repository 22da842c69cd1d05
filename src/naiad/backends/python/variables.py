"""Which environment variables of the server a worker process gets: those that do not look like secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRET_WORDS = (
    "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "API_KEY", "ACCESS_KEY",
    "PRIVATE_KEY", "AUTH", "COOKIE", "SESSION", "SIGNATURE",
)  # fmt: skip
"""Parts of names."""

_WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
"""A URL with a password in it."""

PASSED = "environment"
"""The backend setting that names variables to pass on whatever they look like, separated by spaces."""


def worker_variables(variables: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a worker. settings: those of the backend."""
    wanted = set(settings.get(PASSED, "").split())
    return {name: value for name, value in variables.items() if name in wanted or not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    upper = name.upper()
    if upper.startswith("NAIAD_"):  # the server's own options
        return True
    return any(word in upper for word in SECRET_WORDS) or bool(_WITH_PASSWORD.search(value))
