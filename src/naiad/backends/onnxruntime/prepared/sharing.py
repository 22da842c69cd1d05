"""Find the prepared copy of a graph or have it made and tried, and open the sessions that share it.

A copy is made by a process of its own, which then runs it for the first time (`trial/`); what it found out is kept
beside the copy, with the digests of its files, and says that the copy is whole. So a model is tried once for each copy,
and a start that finds one pays nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.prepared.copying import DATA, GRAPH, machine_name, open_copy, open_original
from naiad.backends.onnxruntime.prepared.extents import is_mappable
from naiad.backends.onnxruntime.trial.launch import run_trial
from naiad.backends.onnxruntime.trial.order import Order, Report
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed
from naiad.core.machine.cache_folders import is_open_to_all, is_writable, set_readers, temporary_cache
from naiad.core.machine.file_digests import digests_of, remember

TRIED = "tried-3.json"
"""The report of the first run; written last, and not at all for a model that died. A trial that learns to find more
takes another name, so that graphs are tried again."""

DIGESTS = "digests.json"
"""SHA-256 of graph and data, as they were when they were tried."""

_log = logging.getLogger("naiad.backends.onnxruntime")


def open_shared(files: EncoderFiles, *, threads: tuple[int, ...]) -> list[Any]:
    """Open a graph through its copy, made and tried on first use: one session for each number of threads.

    Together the sessions hold the weights once. The copy lies in `prepared_in`, under a name that changes with the
    graph; where that cannot be written, in a temporary folder; where it cannot be stored at all, the graph itself is
    opened, after a trial unless `inspect_shared` has just made one. Raises LoadFailed where the graph cannot be opened
    or did not live through its first run.
    """
    place = _place(files)
    is_tried = files.ports is not None
    if _found_in(place) is not None:
        try:
            return [open_copy(place / GRAPH, count) for count in threads]
        except LoadFailed as error:
            _log.warning("prepared graph is damaged; preparing it again", extra={"reason": error.message})
            shutil.rmtree(place, ignore_errors=True)
            is_tried = False
    if not is_tried and _make(files, threads, place).is_copied:
        return [open_copy(place / GRAPH, count) for count in threads]
    return [open_original(files.graph, count) for count in threads]


def notes_beside(files: EncoderFiles) -> Path | None:
    """Folder of the copy, where more may be kept that goes with it; None where there is none."""
    place = _place(files)
    return None if files.prepared_in is None or _found_in(place) is None else place


def inspect_shared(files: EncoderFiles, *, threads: tuple[int, ...]) -> Ports:
    """Give what a graph takes and gives, from the report of its trial, which is made first if need be; see above."""
    place = _place(files)
    return _found_in(place) or _make(files, threads, place).ports


def _place(files: EncoderFiles) -> Path:
    prepared_in = files.prepared_in or files.graph.parent
    name = f"prepared-{machine_name()}"
    if _found_in(prepared_in / name) is not None or is_writable(prepared_in):
        return prepared_in / name
    key = hashlib.sha256(os.fsencode(prepared_in.resolve())).hexdigest()[:16]
    return temporary_cache() / "prepared" / key / name


def _found_in(place: Path) -> Ports | None:
    """What was found out about a copy that can be mapped: kernels crash on matrices at odd places or behind the end."""
    try:
        ports = Report.from_json((place / TRIED).read_text(encoding="utf-8")).ports
        if json.loads((place / DIGESTS).read_bytes()) != digests_of(place, (GRAPH, DATA)):
            _log.warning("the prepared graph has changed since it was made", extra={"folder": str(place)})
            return None
        return ports if is_mappable(place / GRAPH, place / DATA) else None
    except (OSError, ValueError, RecursionError):
        return None


def _make(files: EncoderFiles, threads: tuple[int, ...], place: Path) -> Report:
    """Have the copy made in a new folder, then put that in place; whoever is first wins."""
    spec = None if files.spec.layout == "images" else files.spec
    order = Order(files.graph, None, threads, spec, files.constants, os.getpid())
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as folder:
            made = Path(folder) / "copy"
            made.mkdir()
            report = run_trial(replace(order, made=made))
            if report.is_copied:
                digests = digests_of(made, (GRAPH, DATA), is_passing=True)
                (made / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
                (made / TRIED).write_text(report.to_json(), encoding="utf-8")
                set_readers(made, is_private=not is_open_to_all([files.graph]))
                _put_in_place(made, place, digests)
            return report
    except OSError as error:
        _log.warning("prepared graph cannot be stored", extra={"folder": str(place), "reason": str(error)})
    return run_trial(order)


def _put_in_place(made: Path, place: Path, digests: Mapping[str, str]) -> None:
    """Unless somebody else was quicker, whose copy is as good; a damaged one gives way."""
    if _found_in(place) is not None:
        return
    shutil.rmtree(place, ignore_errors=True)
    try:
        made.rename(place)
        remember(place, digests)
    except OSError:
        if _found_in(place) is None:
            raise
