"""`naiad convert`: a checkpoint becomes a folder to serve, after its answers have been checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from naiad.cli.converting.job import FORMATS, Job, run_job
from naiad.convert.gate.limits import LIMITS, Setting
from naiad.loading.conversion.bench.latencies import read_shapes
from naiad.loading.conversion.bench.measuring import Measuring


@click.command("convert")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option("--task", default="", help="Pipeline tag, such as text-classification.  [default: the checkpoint's]")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="onnx",
    show_default=True,
    help="What to write: onnx (a checkpoint folder) or triton (a model repository with NAME_onnx_model and others).",
)
@click.option("--name", default="", help="NAME for --format triton.  [default: the source's]")
@click.option(
    "--precision", type=click.Choice(list(LIMITS)), default="fp32", show_default=True, help="Precision of the weights."
)
@click.option(
    "--gate",
    type=click.Choice([str(setting) for setting in Setting]),
    default="default",
    show_default=True,
    help="How strictly to check the answers.",
)
@click.option("--data", type=click.Path(path_type=Path), help="File of texts to check with: one per line, or .jsonl.")
@click.option(
    "--opset", type=click.IntRange(17, 25), help="ONNX operator set of an exported graph.  [default: torch's]"
)
@click.option("--bench", is_flag=True, help="Measure each way to run the model and print a table.")
@click.option(
    "--shapes",
    default="1x16,8x128,32x384",
    show_default=True,
    help="Batches that --bench measures, as inputs x tokens.",
)
@click.option(
    "--from-torch",
    is_flag=True,
    help="Export with torch even if Naiad can build the graph itself; can read pytorch_model.bin.",
)
@click.option("--offline", is_flag=True, help="Use only what is cached; never use the network.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def command(bench: bool, shapes: str, **values: Any) -> None:
    """Convert a checkpoint, check that its answers stay the same, and write OUT, a folder for `naiad serve`.

    SOURCE is the same as for `naiad serve`: a folder, hf://org/name or pkg://module/path. Without OUT, the result goes
    to the cache, where `naiad serve SOURCE` finds it. Exit status: 0 if converted; 1 if that failed or was interrupted;
    2 for wrong usage; 3 if the converted model's answers differ from the original's, in which case nothing is written.
    """
    measuring = Measuring(read_shapes(shapes)) if bench else None
    sys.exit(run_job(Job(**values, bench=measuring)))
