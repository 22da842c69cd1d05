"""`--backend-config`: settings that the operator gives to backends, read from the forms that Triton takes.

`onnxruntime,default-max-batch-size=8` is for one backend; `default-max-batch-size=8`, also written with a comma in
front, is for all that know it.
"""

from __future__ import annotations

from collections.abc import Iterable

from naiad.core.errors import InvalidConfiguration


def read_backend_settings(options: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return settings by backend; those for all are under "". Raises InvalidConfiguration."""
    settings: dict[str, dict[str, str]] = {}
    for option in options:
        backend, comma, setting = option.partition(",")
        if not comma:
            backend, setting = "", option
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise InvalidConfiguration(
                f"--backend-config '{option}': write BACKEND,KEY=VALUE, or KEY=VALUE for all backends", option=option
            )
        settings.setdefault(backend.strip(), {})[key.strip()] = value.strip()
    return settings


def settings_of(options: Iterable[str], backend: str) -> dict[str, str]:
    """Return the settings for one backend; its own count before those for all."""
    settings = read_backend_settings(options)
    return {**settings.get("", {}), **settings.get(backend, {})}
