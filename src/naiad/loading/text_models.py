"""Hugging Face checkpoints: convert if need be, open the encoder, build the task → TextModel and raw-tensor view."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from naiad.convert.checkpoint import Converted, convert_checkpoint
from naiad.convert.onnx_file import describe_exported_texts
from naiad.convert.record import read_record
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.files import EncoderFiles
from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.settings.config import ModelSettings
from naiad.loading.conversion.cached import exported_checkpoint
from naiad.loading.encoder_models import describe_model, open_queue
from naiad.loading.learning import BatchSizes
from naiad.loading.statistics import statistics_of
from naiad.repository import Fetched, Layout, ModelEntry
from naiad.repository.checkpoint import Checkpoint
from naiad.serving.encoder_queue import EncoderQueue
from naiad.serving.model import ServedModel
from naiad.serving.text_model import RANKING_SUFFIX, VIEW_SUFFIX, TextModel
from naiad.tasks.choice import build_task, build_tensors, facts_of, head_for, infer_task, second_task
from naiad.tasks.tokenizing.trial.trying import begin_trial

PLATFORM = "naiad_text"

PADDED_TOKENS = 512
"""Tokens of one padded batch, padding included (D2)."""

_log = logging.getLogger("naiad.loading")


def load_text_model(entry: ModelEntry, fetched: Fetched, layout: Layout, settings: ModelSettings) -> list[ServedModel]:
    """Load a checkpoint; gives the model under its name and the raw-tensor view as NAME.tensors. Raises NaiadError."""
    began_s = time.perf_counter()
    folder = fetched.folder
    record = read_record(folder)
    task_name = entry.task or (record.task if record else infer_task(folder))
    if record is not None and record.gate == "off":
        _log.warning("'%s' was converted with --gate off: its answers were not checked", entry.name)
    _begin_trial(folder)
    encoder, spec = _open(entry, layout, task_name, settings)
    task = build_task(task_name, folder, spec, entry.options)
    view = build_tensors(folder, spec)
    facts = {"task": task_name, **facts_of(task_name, folder, entry.options), **(record.facts() if record else {})}
    described = [
        (describe_model(entry, suffix, PLATFORM, one, {**facts, "max_tokens": str(one.max_tokens)}), one)
        for suffix, one in (("", task), (VIEW_SUFFIX, view))
    ]
    second = second_task(spec.head)
    if second and second != task_name:
        ranking = build_task(second, folder, spec)
        config = describe_model(entry, RANKING_SUFFIX, PLATFORM, ranking, {**facts, "task": second})
        described.append((config, ranking))
    models: list[ServedModel] = [
        TextModel(config, "1", one, encoder, statistics=statistics_of(config, "1", settings))
        for config, one in described
    ]
    for model in models:
        model.statistics.load_s = time.perf_counter() - began_s
    return models


def _begin_trial(folder: Path) -> None:
    """Have the tokenizer tried while the graph is made; whoever loads it waits for the result, and tells of errors."""
    checkpoint = Checkpoint(folder)
    with suppress(OSError):
        begin_trial(checkpoint.body, has_class=not checkpoint.table_writer)


def _open(entry: ModelEntry, layout: Layout, task: str, settings: ModelSettings) -> tuple[EncoderQueue, EncoderSpec]:
    """Open the weights that suit: ours packed where the builder knows the architecture, else the ONNX file."""
    quantize, head = _quantize(entry, layout, settings), head_for(task, layout.folder)
    converted = _convert(entry, layout, task, quantize) if _takes_safetensors(entry, layout) else None
    if converted is not None and converted.spec.layout == "packed":
        files = EncoderFiles(converted.graph, converted.spec, converted.graph.parent)
    elif converted is not None:
        files = describe_exported_texts(converted.graph, layout.folder, head)
    elif layout.onnx is not None:
        _refuse_quantizing(entry, layout.onnx, quantize)
        files = describe_exported_texts(layout.onnx, layout.folder, head, output=entry.output, constants=entry.inputs)
    else:
        raise LoadFailed(f"'{entry.name}': {layout.folder} has no weights that `weights: {entry.weights}` allows")
    return open_queue(entry, settings, files, _sizes(files.spec)), files.spec


def _sizes(spec: EncoderSpec) -> BatchSizes:
    if spec.runs_alone:
        return BatchSizes(limit=1, assumed=1)
    if spec.layout == "packed":
        return BatchSizes(spec.pack_limit or spec.pack_tokens, spec.pack_tokens)
    return BatchSizes(PADDED_TOKENS, PADDED_TOKENS, pads=True)


def _quantize(entry: ModelEntry, layout: Layout, settings: ModelSettings) -> str:
    """The entry's word, the server's, else what the folder was converted to."""
    for word in (entry.quantize, settings.quantize):
        if word != "none":
            return word
    record = read_record(layout.folder)
    return record.quantize if record else "none"


def _takes_safetensors(entry: ModelEntry, layout: Layout) -> bool:
    """Whether to convert. Raises LoadFailed for keys about ONNX files where there is none to serve."""
    if layout.safetensors is None or entry.weights not in ("auto", "safetensors"):
        return False
    asks_for_onnx = bool(entry.output or entry.inputs)
    if asks_for_onnx and (layout.onnx is None or entry.weights == "safetensors"):
        raise LoadFailed(
            f"'{entry.name}': output and inputs apply to ONNX files only, but this model has other weights"
        )
    return not asks_for_onnx


def _convert(entry: ModelEntry, layout: Layout, task: str, quantize: str) -> Converted | None:
    """Our graph; of families that our builder does not know torch's, or None where the folder has an ONNX file."""
    try:
        return convert_checkpoint(layout.folder, head=head_for(task, layout.folder), quantize=quantize)
    except Unsupported as reason:
        if layout.onnx is not None and entry.weights == "auto":
            _log.info("'%s': the ONNX file %s is served: %s", entry.name, layout.onnx.name, reason.message)
            return None
        return exported_checkpoint(layout.folder, task, quantize, reason)


def _refuse_quantizing(entry: ModelEntry, onnx: Path, quantize: str) -> None:
    if quantize != "none":
        raise LoadFailed(
            f"'{entry.name}': quantize: {quantize} works on safetensors checkpoints of known architectures; this model "
            f"is the ONNX file {onnx.name}. Leave it out, or name a quantised file with weights:"
        )
