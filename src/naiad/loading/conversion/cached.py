"""Exports kept in the cache: made on first use where torch is, found again without it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from naiad.convert.cache import Converted, Entry, find_entry
from naiad.convert.export.models import TEXT
from naiad.convert.export.process import Progress, has_torch
from naiad.convert.onnx_file import describe_candidate
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
from naiad.loading.conversion.builders import builder_for
from naiad.loading.conversion.convert import require_pass, run_course, with_torch
from naiad.loading.conversion.course import Outcome, Request
from naiad.loading.conversion.exported import ExportedCourse
from naiad.loading.conversion.subject import Subject, recognise_subject
from naiad.proto.onnx_messages import read_model

EXPORT_VERSION = 1
"""Part of the cache's keys; raise it when the same model would be exported in another way."""

PRECISIONS = {"none": "fp32", "int8": "int8"}
"""`quantize` of the manifest → precision."""

_log = logging.getLogger("naiad.convert")


def exported_checkpoint(folder: Path, task: str, quantize: str, reason: Unsupported) -> Converted:
    """A checkpoint's exported graph, from the cache, or made now by torch and checked.

    reason: why our own builder cannot, told to those without torch. Blocks for as long as an export takes. Raises
    Unsupported without torch, GateFailed where the export does not answer as transformers does, LoadFailed.
    """
    subject = recognise_subject(folder, task)
    precision = PRECISIONS[quantize]
    entry = entry_for(subject, precision)
    found = entry.read()
    if found is not None:
        return found
    if not has_torch():
        raise Unsupported(f"{reason.message} {with_torch(subject)}", **reason.detail)
    _log.info("exporting %s with torch: %s", folder, reason.message)
    try:
        with TemporaryDirectory(prefix="naiad-export-") as work:
            outcome = ExportedCourse(Request(subject, precision, progress=log_progress()), Path(work)).run()
            require_pass(subject, outcome)
            return keep(entry, subject, outcome)
    except LoadFailed as error:
        why = reason.message.partition("; ")[0]  # what follows lists what there is, and advises to do what just failed
        raise type(error)(
            f"{error.message.strip()} (exported with torch, since {why}; a Python model can run it with transformers: "
            "docs/how-to/python-models.md)",
            **error.detail,
        ) from error


def convert_to_cache(request: Request) -> Outcome:
    """Convert to where `naiad serve` of the same source looks. Raises as `convert_to_folder`."""
    quantize = next((word for word, precision in PRECISIONS.items() if precision == request.precision), None)
    if quantize is None:
        raise InvalidConfiguration(f"--precision {request.precision} requires OUT, a folder to write to")
    subject = request.subject
    with TemporaryDirectory(prefix="naiad-convert-") as work:
        _, outcome = run_course(request, Path(work))
        require_pass(subject, outcome)
        builder = builder_for(subject)
        if outcome.by == "builder" and builder is not None:
            builder.convert(subject.folder, subject, quantize, None)
        else:
            keep(entry_for(subject, request.precision), subject, outcome)
        return outcome


def entry_for(subject: Subject, precision: str) -> Entry:
    """Return the place in the cache."""
    kind = f"{subject.head}-exported-{precision}"
    return find_entry(subject.folder, kind=kind, version=EXPORT_VERSION, cache_dir=None)


def keep(entry: Entry, subject: Subject, outcome: Outcome) -> Converted:
    """Put an export that passed into the cache."""

    def copy(made: Path) -> EncoderSpec:
        for file in outcome.graph.parent.iterdir():
            shutil.copyfile(file, made / file.name)
        return describe(subject, outcome.graph)

    return entry.fill(copy)


def describe(subject: Subject, graph: Path) -> EncoderSpec:
    """Return what the graph gives; for images and sound, the names of the outputs."""
    if subject.kind == TEXT:
        return describe_candidate(graph, subject.folder, subject.head)
    names = [output.name for output in read_model(graph).graph.output]
    outputs = tuple(EncoderOutput(name, "item", 0) for name in names)
    return EncoderSpec(subject.family, subject.head, outputs, max_tokens=1, layout="padded")


def log_progress() -> Progress:
    """Return a function that logs each step as one line."""
    last = [""]

    def tell(sentence: str, done: int, total: int) -> None:
        del done, total
        if sentence != last[0]:
            last[0] = sentence
            _log.info("%s", sentence)

    return tell
