"""What a start says once it is over: the table of models, and where they are served, or why nothing is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from naiad.observe.logs.lines import log_table
from naiad.repository import Entry, ModelEntry
from naiad.server.assembly import Assembly
from naiad.serving.states import VersionState

_log = logging.getLogger("naiad")


def log_models(server: Assembly) -> None:
    """Print the table of models, as scripts written for Triton look for it, and what cannot be served."""
    entries = list(server.catalog.entries())
    rows = [("Model", "Version", "Status")]
    for entry in entries:
        reason = f": {entry.reason}" if entry.reason and entry.state is not VersionState.READY else ""
        rows.append((entry.name, entry.version or "-", f"{entry.state}{reason}"))
    log_table(_log, rows)
    failed = [entry.name for entry in entries if entry.state is not VersionState.READY]
    if failed and len(failed) < len(entries):
        _log.warning(
            "%d of %d models cannot be served (%s); the others are served", len(failed), len(entries), ", ".join(failed)
        )


def log_ready(server: Assembly, sources: Sequence[Entry], took_s: float) -> None:
    """Say where models are served; if none is, why, and what to do about it."""
    doors, mode = server.doors, server.settings.models.control_mode
    door = next((door for door in (doors.http, doors.grpc) if door.settings.allow), None)
    if door is None:
        _log.warning(
            "no model can be reached, because HTTP and gRPC are both off: start again with --allow-http or --allow-grpc"
        )
    elif server.catalog.refusal:
        _log.warning("nothing is served on %s, because a repository is missing: mount it, then start again", door.url)
    elif any(server.catalog.models()):
        _log.info("ready on %s after %.2f s", door.url, took_s)
    elif any(server.catalog.entries()):
        _log.warning("nothing is served on %s, because no model could be loaded: %s", door.url, _AFTER_A_FIX[mode])
    elif mode == "explicit":
        call = "POST /v2/repository/models/NAME/load" if door is doors.http else "RepositoryModelLoad"
        _log.info("no model is loaded yet; waiting on %s for requests to load one (%s)", door.url, call)
    else:
        places = ", ".join(str(entry.source) for entry in sources if isinstance(entry, ModelEntry))
        _log.warning(
            "nothing is served on %s, because there is no model in %s: %s", door.url, places, _WHEN_EMPTY[mode]
        )


_AFTER_A_FIX = {
    "none": "see the reasons above, then start again",
    "explicit": "see the reasons above, then load it again",
    "poll": "see the reasons above; a model is loaded again when its files change",
}
_WHEN_EMPTY = {
    "none": "add one and start again, or use --model-control-mode=poll, which loads models as they come",
    "poll": "add one, and it will be loaded",
}
"""By mode of model control: what to do."""
