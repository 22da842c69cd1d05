"""How models are fetched, whoever starts the server: checkpoints that our graph builders know need no ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.repository import FetchSettings, Progress

LOCK = "naiad.lock"
"""File beside the manifest."""


def settings_for(
    lock_path: Path | None, progress: Progress, *, update: bool = False, verify: bool = False, is_offline: bool = False
) -> FetchSettings:
    """Return how to fetch; what the arguments mean stands in FetchSettings."""
    return FetchSettings(
        lock_path=lock_path,
        update=update,
        verify=verify,
        is_offline=is_offline,
        builder_knows=_a_builder_knows,
        progress=progress,
    )


def _a_builder_knows(config: Mapping[str, Any]) -> bool:
    from naiad.convert.checkpoint import builder_knows  # only a server of checkpoints needs the builders
    from naiad.convert.image_checkpoint import image_builder_knows

    return builder_knows(config) or image_builder_knows(config)
