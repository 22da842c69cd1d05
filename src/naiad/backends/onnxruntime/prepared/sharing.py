"""Find the prepared copy of a graph or have it made and tried, and open the sessions that share it.

A copy is made by a process of its own, which then runs it for the first time (`trial/`); what it found out is kept
beside the copy and says that the copy is whole. So a model is tried once for each copy, and a start that finds one pays
nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.prepared.copying import DATA, GRAPH, machine_name, open_copy, open_original
from naiad.backends.onnxruntime.prepared.extents import is_mappable
from naiad.backends.onnxruntime.trial.launch import run_trial
from naiad.backends.onnxruntime.trial.order import Findings, Order, Report
from naiad.core.encoder import EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.core.places import is_writable, temporary_cache

TRIED = "tried.json"
"""The report of the first run; written last, and not at all for a model that died."""

_log = logging.getLogger("naiad.backends.onnxruntime")


@dataclass(frozen=True, slots=True)
class Shared:
    """A graph that was tried."""

    sessions: list[Any]
    """In the order of the numbers of threads; together they hold the weights once."""
    findings: Findings


def open_shared(
    graph: Path, prepared_in: Path, *, threads: tuple[int, ...], spec: EncoderSpec | None = None
) -> list[Any]:
    """Open one session for each number of threads (0 = all cores); see `share`."""
    return share(graph, prepared_in, threads=threads, spec=spec).sessions


def share(
    graph: Path,
    prepared_in: Path,
    *,
    threads: tuple[int, ...],
    spec: EncoderSpec | None = None,
    constants: Mapping[str, float] | None = None,
) -> Shared:
    """Open a graph through its copy, made and tried on first use.

    prepared_in: folder for the copy, whose name changes with the graph. Where it cannot be written, the copy goes to a
    temporary folder; where it cannot be stored at all, the graph itself is tried and opened. spec and constants (inputs
    that are the same for every text): for runs that make sense to the graph. Raises LoadFailed where the graph cannot
    be opened or did not live through its first run.
    """
    place = _place(prepared_in)
    findings = _findings_of(place)
    if findings is not None:
        try:
            return Shared([open_copy(place / GRAPH, count) for count in threads], findings)
        except LoadFailed as error:
            _log.warning("prepared graph is damaged; preparing it again", extra={"reason": error.message})
            shutil.rmtree(place, ignore_errors=True)
    report = _make(Order(graph, None, threads, spec, constants or {}, os.getpid()), place)
    if report.is_copied:
        return Shared([open_copy(place / GRAPH, count) for count in threads], report.findings)
    return Shared([open_original(graph, count) for count in threads], report.findings)


def _place(prepared_in: Path) -> Path:
    name = f"prepared-{machine_name()}"
    if _findings_of(prepared_in / name) is not None or is_writable(prepared_in):
        return prepared_in / name
    key = hashlib.sha256(os.fsencode(prepared_in.resolve())).hexdigest()[:16]
    return temporary_cache() / "prepared" / key / name


def _findings_of(place: Path) -> Findings | None:
    """What was found out about a copy that can be mapped: kernels crash on matrices at odd places or behind the end."""
    try:
        findings = Report.from_json((place / TRIED).read_text(encoding="utf-8")).findings
        return findings if is_mappable(place / GRAPH, place / DATA) else None
    except (OSError, ValueError):
        return None


def _make(order: Order, place: Path) -> Report:
    """Have the copy made in a new folder, then put that in place; whoever is first wins."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as folder:
            made = Path(folder) / "copy"
            made.mkdir()
            report = run_trial(replace(order, made=made))
            if report.is_copied:
                (made / TRIED).write_text(report.to_json(), encoding="utf-8")
                _put_in_place(made, place)
            return report
    except OSError as error:
        _log.warning("prepared graph cannot be stored", extra={"folder": str(place), "reason": str(error)})
    return run_trial(order)


def _put_in_place(made: Path, place: Path) -> None:
    """Unless somebody else was quicker, whose copy is as good; a damaged one gives way."""
    if _findings_of(place) is not None:
        return
    shutil.rmtree(place, ignore_errors=True)
    try:
        made.rename(place)
    except OSError:
        if _findings_of(place) is None:
            raise
