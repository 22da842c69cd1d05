"""One conversion from the command line to the last line that it prints; what the two commands share."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from naiad.cli.converting.progress import conversion_progress
from naiad.cli.converting.source import Found, find_checkpoint
from naiad.cli.converting.summary import document, print_summary
from naiad.convert.export.process import Progress
from naiad.convert.gate.limits import Setting
from naiad.core.errors import GateFailed, InvalidConfiguration, Unsupported
from naiad.loading.conversion.bench.latencies import Latencies, table_lines
from naiad.loading.conversion.bench.measuring import Measuring, machine, measure
from naiad.loading.conversion.cached import convert_to_cache
from naiad.loading.conversion.convert import convert_to_folder, convert_to_repository
from naiad.loading.conversion.course import Outcome, Request
from naiad.loading.conversion.folder import check_empty
from naiad.loading.conversion.subject import recognise_subject
from naiad.loading.conversion.triton.repository import Layout, advice

GATE_FAILED = 3
"""Exit status when the converted model does not answer as the original does."""

FORMATS = ("onnx", "triton", "openvino")


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for."""

    source: str
    out: Path | None
    task: str = ""
    precision: str = "fp32"
    gate: str = "default"
    relative: float | None = None
    data: Path | None = None
    opset: int | None = None
    format: str = "onnx"
    name: str = ""
    layout: Layout | None = None
    """For a Triton repository, if more than its name was given."""
    from_torch: bool = False
    offline: bool = False
    as_json: bool = False
    bench: Measuring | None = None

    def __post_init__(self) -> None:
        if self.format == "openvino":
            raise Unsupported(
                "--format openvino is not supported: Naiad has no OpenVINO backend to check such a model with, and "
                "writes only what was checked. OpenVINO can read the ONNX file of --from-torch, OUT/onnx/model.onnx"
            )
        if self.format == "triton" and self.out is None:
            raise InvalidConfiguration("--format triton requires OUT, the repository's folder")
        if self.name and self.format != "triton":
            raise InvalidConfiguration("--name requires --format triton; other folders are served under their own name")
        if self.bench is not None and self.gate == "off":
            raise InvalidConfiguration("--bench compares answers, which --gate off turns off; leave one of them out")
        if self.out is not None:
            check_empty(self.out)


def run_job(job: Job) -> int:
    """Convert, print the result and return the exit status. Raises NaiadError."""
    signal.signal(signal.SIGTERM, _interrupt)
    found = find_checkpoint(job.source, offline=job.offline)
    for notice in found.notices:
        click.echo(f"naiad: {notice}", err=True)
    layout = (job.layout or Layout(job.name or found.name)) if job.format == "triton" else None
    try:
        with conversion_progress() as progress:
            request = _request(job, found, progress)
            outcome = _convert(job, request, found, layout)
            table = measure(request, outcome, job.bench) if job.bench else []
    except GateFailed as error:
        if job.as_json:
            click.echo(json.dumps({"error": error.message, "gate": error.detail.get("report")}))
        click.echo(f"naiad: {error.message}", err=True)
        return GATE_FAILED
    _print(job, request, outcome, table, layout)
    return 0


def _request(job: Job, found: Found, progress: Progress) -> Request:
    return Request(
        recognise_subject(found.folder, job.task),
        precision=job.precision,
        setting=Setting(job.gate),
        relative=job.relative,
        data=job.data,
        opset=job.opset,
        from_torch=job.from_torch,
        progress=progress,
    )


def _convert(job: Job, request: Request, found: Found, layout: Layout | None) -> Outcome:
    if job.out is None:
        return convert_to_cache(request)
    if layout is not None:
        return convert_to_repository(request, layout, job.out, found.origin)
    return convert_to_folder(request, job.out, found.origin)


def _print(job: Job, request: Request, outcome: Outcome, table: list[Latencies], layout: Layout | None) -> None:
    place = str(job.out or "")
    if job.as_json:
        content = document(request, outcome, place)
        if job.bench:
            content["bench"] = {"machine": machine(), "latencies": [row.document() for row in table]}
        click.echo(json.dumps(content, ensure_ascii=False))
        return
    print_summary(request, outcome, place)
    for line in table_lines(machine(), table) if table else ():
        click.echo(line)
    for line in advice(layout, place) if layout else ():
        click.echo(line)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that what is half written is removed."""
    raise KeyboardInterrupt
