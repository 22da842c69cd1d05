"""From a request to a folder, to a place in the cache, or to nothing and the reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from naiad import __version__
from naiad.convert.checkpoint import BUILDER_VERSION
from naiad.convert.export.process import INSTALL, has_torch
from naiad.convert.record import write_record
from naiad.core.errors import GateFailed, InvalidConfiguration, Unsupported
from naiad.loading.conversion.builders import builder_for
from naiad.loading.conversion.built import BuiltCourse
from naiad.loading.conversion.course import Course, Outcome, Request
from naiad.loading.conversion.exported import ExportedCourse
from naiad.loading.conversion.folder import making, write_card
from naiad.loading.conversion.subject import Subject
from naiad.loading.conversion.triton.repository import Layout, pooling_of, write_repository
from naiad.repository.checkpoint import SINGLE
from naiad.repository.layout import PICKLE_ADVICE


def convert_to_folder(request: Request, out: Path, origin: str) -> Outcome:
    """Write OUT, a checkpoint folder that can be served.

    Raises GateFailed where the answers are not good enough, and other NaiadErrors where it cannot be done; then there
    is no OUT.
    """
    with TemporaryDirectory(prefix="naiad-convert-") as work, making(out) as made:
        course, outcome = run_course(request, Path(work))
        require_pass(request.subject, outcome)
        course.write(made)
        write_record(made, record(request, outcome, origin))
        write_card(made, card_section(request, outcome, origin))
        return replace(outcome, graph=out)


def convert_to_repository(request: Request, layout: Layout, out: Path, origin: str) -> Outcome:
    """Write OUT, a Triton repository. Raises as `convert_to_folder`; Unsupported without torch."""
    with TemporaryDirectory(prefix="naiad-convert-") as work, making(out) as made:
        pooling_of(request)
        course = _exporting(request, Path(work))
        outcome = course.run()
        require_pass(request.subject, outcome)
        write_repository(request, outcome, layout, made)
        write_record(made / layout.model, record(request, outcome, origin))
        return replace(outcome, graph=out)


def run_course(request: Request, work: Path) -> tuple[Course, Outcome]:
    """Build if our builder can, else export. Raises Unsupported where neither can."""
    subject = request.subject
    builder = builder_for(subject)
    if request.from_torch or builder is None or subject.checkpoint.safetensors is None:
        course = _exporting(request, work)
        return course, course.run()
    built = BuiltCourse(request, builder, work / "built")
    _check_precision(request, built)
    try:
        return built, built.run()
    except Unsupported as error:
        if not has_torch():
            raise Unsupported(f"{error.message} {with_torch(subject)}", **error.detail) from error
        request.progress(f"Naiad's own builder cannot: {error.message}", 0, 0)
    exporting = _exporting(request, work / "exporting")
    return exporting, exporting.run()


def with_torch(subject: Subject) -> str:
    """Return the advice for families that only the exporter can convert."""
    return f"With torch Naiad exports {subject.family} models by itself: {INSTALL}"


def _exporting(request: Request, work: Path) -> Course:
    if request.subject.checkpoint.safetensors is None and (found := request.subject.checkpoint.onnx_files):
        raise Unsupported(
            f"{request.subject.folder} already holds an ONNX file ({found[0]}): `naiad serve` serves it as it is, "
            "and there are no original weights to check another precision against"
        )
    if not request.from_torch and request.subject.checkpoint.safetensors is None:
        raise Unsupported(
            f"{request.subject.folder}: there is no {SINGLE}; other weights are {PICKLE_ADVICE}. Or open them with "
            "--from-torch, by torch's loader that accepts only tensors"
        )
    if not has_torch():
        unknown = f"the architecture {request.subject.family!r} is not one that Naiad can build itself"
        why = unknown if builder_for(request.subject) is None else "this needs torch's exporter"
        raise Unsupported(
            f"{request.subject.folder}: {why}. {with_torch(request.subject)}",
            model_type=request.subject.family,
        )
    course = ExportedCourse(request, work)
    _check_precision(request, course)
    return course


def _check_precision(request: Request, course: Course) -> None:
    if request.precision not in course.precisions:
        raise InvalidConfiguration(
            f"--precision {request.precision} is not available for {request.subject.family}, whose graph Naiad builds "
            f"itself; use one of {', '.join(course.precisions)}, or --from-torch for the others",
            precision=request.precision,
        )


def require_pass(subject: Subject, outcome: Outcome) -> None:
    """Raise GateFailed where the report objects."""
    if outcome.report.passed:
        return
    raise GateFailed(
        f"{subject.folder}: the converted model does not answer as {outcome.report.reference} does: "
        f"{'; '.join(outcome.report.objections())}. Nothing was written",
        report=outcome.report.document(),
    )


def record(request: Request, outcome: Outcome, origin: str) -> dict[str, Any]:
    """Return what the folder says about its conversion."""
    return {
        "naiad": __version__,
        "builder": BUILDER_VERSION,
        "source": origin,
        "task": request.subject.task,
        "precision": request.precision,
        "by": outcome.by,
        **outcome.facts,
        "gate": outcome.report.document(),
    }


def card_section(request: Request, outcome: Outcome, origin: str) -> dict[str, str]:
    """Return what the model card says about it."""
    gate = outcome.report
    checked = "off: the answers were not checked" if gate.setting == "off" else f"passed against {gate.reference}"
    return {
        "Source": origin,
        "Task": request.subject.task,
        "Precision": request.precision,
        "Accuracy gate": checked,
        "Serve it with": "`naiad serve FOLDER`",
    }
