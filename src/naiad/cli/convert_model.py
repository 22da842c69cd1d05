"""`naiad convert-model`: transformer-deploy's command line, so that its scripts go on working.

Every flag of its `convert_model` is here; what it did on a GPU or with TensorRT is refused with the reason. Unlike
there, unknown flags are errors, and the accuracy check can fail.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from naiad.cli.converting.job import Job, run_job
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.loading.conversion.bench.latencies import Shape
from naiad.loading.conversion.bench.measuring import Measuring
from naiad.loading.conversion.triton.repository import Layout

TASKS = {
    "classification": "text-classification",
    "embedding": "feature-extraction",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
    "text-generation": "",
}
"""Its tasks and ours; empty for what Naiad does not do yet."""

MEASURED_S = 60.0
"""The longest time for one line of the table; 1,000 runs of a large batch would take hours."""


class GreedyCommand(click.Command):
    """Takes several words after --backend, as there: `--backend tensorrt onnx`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Make one word of them."""
        joined: list[str] = []
        words = iter(args)
        for word in words:
            joined.append(word)
            if word == "--backend":
                values, rest = _until_option(list(words))
                joined += [" ".join(values), *rest] if values else rest
                break
        return super().parse_args(ctx, joined)


def _until_option(words: list[str]) -> tuple[list[str], list[str]]:
    end = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:end], words[end:]


@click.command("convert-model", cls=GreedyCommand)
@click.option("-m", "--model", required=True, help="Model to convert: a folder, hf://org/name or org/name.")
@click.option("-t", "--tokenizer", help="Folder of the tokenizer, which must be the model's own.")
@click.option(
    "--task", type=click.Choice(list(TASKS)), default="classification", show_default=True, help="Model's task."
)
@click.option("-b", "--batch-size", nargs=3, type=int, default=(1, 1, 1), show_default=True, help="Sizes to measure.")
@click.option("-s", "--seq-len", nargs=3, type=int, default=(16, 16, 16), show_default=True, help="Tokens to measure.")
@click.option("-q", "--quantization", is_flag=True, help="Quantize to int8, with one scale per token.")
@click.option("-w", "--workspace-size", type=int, default=10000, help="Accepted but not used; TensorRT's workspace.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="triton_models",
    show_default=True,
    help="Folder to write.",
)
@click.option("-n", "--name", default="transformer", show_default=True, help="First part of the models' names.")
@click.option("-v", "--verbose", is_flag=True, help="Accepted but not used; progress is always shown.")
@click.option("--fast", is_flag=True, help="Measure each line of the table for at most one second.")
@click.option("--backend", default="onnx", show_default=True, help="onnx; tensorrt is refused.")
@click.option(
    "-d", "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="cpu (the default); cuda is refused."
)
@click.option("--nb-threads", type=int, default=1, show_default=True, help="Threads per run.")
@click.option("--nb-instances", type=int, default=1, show_default=True, help="Loaded copies of the model.")
@click.option("--warmup", type=int, default=10, show_default=True, help="Runs before measuring.")
@click.option("--nb-measures", type=int, default=1000, show_default=True, help="Runs to measure.")
@click.option("--seed", type=int, default=123, help="Accepted but not used; the inputs are always the same texts.")
@click.option("--atol", type=float, default=None, help="Largest allowed difference, relative to the output's scale.")
@click.option("--generative-model", type=click.Choice(["gpt", "t5"]), help="Refused; not supported yet.")
@click.option("--auth-token", help="Refused; set the environment variable HF_TOKEN instead.")
@click.option("--load-external-data/--no-load-external-data", default=False, help="Accepted but not used.")
@click.option("--offline", is_flag=True, help="Use only what is cached; never use the network.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **_values: object) -> None:
    """Convert a model as transformer-deploy's convert_model did: write a Triton repository, print a latency table.

    The exit status is that of `naiad convert`, which has more options.
    """
    values = ctx.params
    _refuse(values)
    shapes = [Shape(rows, tokens) for rows, tokens in zip(values["batch_size"], values["seq_len"], strict=True)]
    measuring = Measuring(
        tuple(dict.fromkeys(shapes)),
        warmup=values["warmup"],
        measures=values["nb_measures"],
        most_s=1.0 if values["fast"] else MEASURED_S,
    )
    layout = Layout(
        values["name"],
        max_batch_size=max(64, *values["batch_size"]),
        instances=values["nb_instances"],
        threads=values["nb_threads"],
    )
    job = Job(
        values["model"],
        values["output"],
        task=TASKS[values["task"]],
        precision="int8" if values["quantization"] else "fp32",
        relative=values["atol"],
        format="triton",
        layout=layout,
        offline=values["offline"],
        as_json=values["as_json"],
        bench=measuring,
    )
    sys.exit(run_job(job))


def _refuse(values: dict[str, object]) -> None:
    """Raise for what cannot be done here, with the reason."""
    backends = str(values["backend"]).split()
    if "tensorrt" in backends:
        raise Unsupported(
            "--backend tensorrt: TensorRT engines are tied to one GPU and one version and cannot be built or checked "
            "here; leave it out. ONNX Runtime with its TensorRT provider runs the ONNX model on NVIDIA's Triton"
        )
    if unknown := [name for name in backends if name != "onnx"]:
        raise InvalidConfiguration(f"--backend {unknown[0]} is not known; use onnx")
    if values["device"] == "cuda":
        raise Unsupported(
            "--device cuda: conversion and its checks run on the CPU; leave it out. The ONNX model runs on GPUs, too"
        )
    if values["task"] == "text-generation" or values["generative_model"]:
        raise Unsupported("text generation models cannot be converted yet")
    if values["auth_token"]:
        raise Unsupported(
            "--auth-token would be visible in the process list; set the environment variable HF_TOKEN instead"
        )
    if values["tokenizer"] and values["tokenizer"] != values["model"]:
        raise Unsupported(
            "--tokenizer: a model is checked with its own tokenizer; put the tokenizer's files in the model's folder"
        )
    for name in ("nb_threads", "nb_instances", "nb_measures"):
        if int(str(values[name])) < 1:
            raise InvalidConfiguration(f"--{name.replace('_', '-')} must be at least 1, not {values[name]}")
    sizes = [*_numbers(values["batch_size"]), *_numbers(values["seq_len"])]
    if min(sizes) < 1 or int(str(values["warmup"])) < 0:
        raise InvalidConfiguration(
            "--batch-size and --seq-len take three numbers of at least 1; --warmup takes one of at least 0"
        )


def _numbers(value: object) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else ()
