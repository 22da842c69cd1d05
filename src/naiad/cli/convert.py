"""`naiad convert`: a checkpoint becomes a folder to serve, after its answers have been checked."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from naiad.cli.converting.progress import conversion_progress
from naiad.cli.converting.source import find_checkpoint
from naiad.cli.converting.summary import document, print_summary
from naiad.convert.gate.limits import LIMITS, Setting
from naiad.core.errors import GateFailed
from naiad.loading.conversion.cached import convert_to_cache
from naiad.loading.conversion.convert import convert_to_folder
from naiad.loading.conversion.course import Request
from naiad.loading.conversion.folder import check_empty
from naiad.loading.conversion.subject import recognise_subject

GATE_FAILED = 3
"""Exit status when the converted model does not answer as the original does."""


@click.command("convert")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option("--task", default="", help="Pipeline tag such as text-classification.  [default: the checkpoint's own]")
@click.option("--precision", type=click.Choice(list(LIMITS)), default="fp32", show_default=True, help="Of the weights.")
@click.option(
    "--gate",
    type=click.Choice([str(setting) for setting in Setting]),
    default="default",
    show_default=True,
    help="How strictly to check.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Texts to check with: one a line, or .jsonl.")
@click.option("--opset", type=click.IntRange(17, 25), help="Operator set of an exported graph.  [default: torch's]")
@click.option("--from-torch", is_flag=True, help="Export with torch although Naiad could build the graph itself.")
@click.option("--offline", is_flag=True, help="Ask no network.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def command(
    source: str,
    out: Path | None,
    task: str,
    precision: str,
    gate: str,
    data: Path | None,
    opset: int | None,
    from_torch: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Convert a checkpoint, check that it answers as before, and write OUT, a folder for `naiad serve`.

    SOURCE as for `naiad serve`: a folder, hf://org/name or pkg://module/path. Without OUT the result goes to the cache,
    where `naiad serve SOURCE` finds it. Exit status: 0 done; 1 it cannot be done, or was interrupted; 2 wrong usage; 3
    the converted model does not answer as the original does: then nothing is written.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if out is not None:
        check_empty(out)
    found = find_checkpoint(source, offline=offline)
    for notice in found.notices:
        click.echo(f"naiad: {notice}", err=True)
    subject = recognise_subject(found.folder, task)
    try:
        with conversion_progress() as progress:
            request = Request(
                subject, precision, Setting(gate), None, data, opset, from_torch=from_torch, progress=progress
            )
            outcome = convert_to_cache(request) if out is None else convert_to_folder(request, out, found.origin)
    except GateFailed as error:
        if as_json:
            click.echo(json.dumps({"error": error.message, "gate": error.detail.get("report")}))
        click.echo(f"naiad: {error.message}", err=True)
        sys.exit(GATE_FAILED)
    place = str(out or "")
    if as_json:
        click.echo(json.dumps(document(request, outcome, place), ensure_ascii=False))
    else:
        print_summary(request, outcome, place)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as at the terminal's interrupt, so that what is half made is taken away."""
    raise KeyboardInterrupt
