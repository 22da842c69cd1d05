"""What a folder with an ONNX file of somebody else's says of its encoder: head, outputs, sizes, pooling.

Nothing is converted; the file is served padded as it is. Not here: which output means what (`onnx_outputs.py`).
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.backends.registry import ENCODERS, find_backend
from naiad.convert.cache import find_entry
from naiad.convert.encoder.heads.choice import infer_head
from naiad.convert.encoder.sentence import excludes_prompt, plain_pooling
from naiad.convert.onnx_outputs import LOGITS, STARTS, Chosen, Sizes, choose_outputs
from naiad.convert.record import RECORD, read_record
from naiad.core.contracts import LoadRequest
from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import SHARES, Ports
from naiad.core.encoding.positions import read_positions
from naiad.core.errors import Unsupported
from naiad.core.json_values import LARGEST, is_whole
from naiad.repository.checkpoint import Checkpoint

_log = logging.getLogger("naiad.convert")


def describe_onnx_encoder(
    folder: Path, ports: Ports, *, head: str | None = None, output: str = ""
) -> tuple[EncoderSpec, Mapping[str, tuple[str, ...]]]:
    """An EncoderSpec for an exported encoder, and which of the file's outputs gives which of ours.

    Read from its ports and the folder's config.json and sentence files. head: as in convert_checkpoint; None infers it.
    output: the file's output that the user chose. Raises LoadFailed where file and head cannot agree, Unsupported for
    modules behind the pooling that the file does not hold.
    """
    checkpoint = Checkpoint(folder)
    config = checkpoint.needed_config
    head = head or _infer(checkpoint, ports)
    chosen = choose_outputs(ports.outputs, head, _sizes(checkpoint), output)
    if chosen.is_ready and excludes_prompt(checkpoint):
        chosen = _unpooled(chosen, folder)
    spec = replace(
        _facts(config, ports.fixed_tokens),
        head=head,
        outputs=chosen.outputs,
        uses_type_ids=ports.takes_types and _integer(config, "type_vocab_size", 0) != 1,
    )
    if head != "sequence-classification":
        spec = replace(spec, needed_token=None)
    return (_pooled(spec, checkpoint, chosen) if head == "embedding" else spec), chosen.sources


def describe_exported_texts(
    graph: Path,
    folder: Path,
    head: str | None = None,
    *,
    output: str = "",
    constants: Mapping[str, float] | None = None,
) -> EncoderFiles:
    """An exported encoder, described for serving.

    It is copied for this machine and tried (see `Backend.inspect`): a file whose rows depend on each other runs every
    text alone, and the log says so. head: None infers it. output and constants: what the manifest says of the file's
    outputs, and of inputs that are the same for every text. Raises what describe_onnx_encoder raises.
    """
    entry = find_entry(folder, kind=graph.stem, version=0, cache_dir=None, weights=(graph, *_data_beside(graph)))
    files = EncoderFiles(graph, _read_facts(folder), entry.folder, constants=constants or {})
    ports = inspect_texts(files)
    entry.forget_older()
    spec, sources = describe_onnx_encoder(folder, ports, head=head, output=output)
    if any(ports.makers.get(name) in SHARES for name in sources.get("logits", ())):
        spec = replace(spec, gives_shares=True)
    dependence = ports.dependence or _known_dependence(folder)
    if dependence:
        spec = replace(spec, runs_alone=True)
        _log.warning("%s: every text runs alone, because %s", graph, dependence)
    return replace(files, spec=spec, ports=ports, sources=sources)


def _known_dependence(folder: Path) -> str:
    """What its conversion found, as the end of a sentence; nothing where answers are the same in company."""
    record = read_record(folder)
    if record is None or record.rows_are_independent:
        return ""
    return f"its conversion found that a text's answer changes in company ({RECORD})"


def describe_candidate(graph: Path, folder: Path, head: str) -> EncoderSpec:
    """An export that has just been made, which is opened as it is."""
    return describe_onnx_encoder(folder, inspect_texts(EncoderFiles(graph, _read_facts(folder))), head=head)[0]


def inspect_texts(files: EncoderFiles) -> Ports:
    """What a text encoder's graph takes and gives. Raises LoadFailed where it is none."""
    ports = find_backend(ENCODERS).inspect(LoadRequest(files, ()))
    ports.check_text(files.graph, files.constants)
    return ports


def _read_facts(folder: Path) -> EncoderSpec:
    return _facts(Checkpoint(folder).needed_config)


def _data_beside(graph: Path) -> list[Path]:
    """Files that hold the graph's weights, by the names that exporters give them."""
    beside = graph.parent.glob(f"{glob.escape(graph.stem)}*")
    return sorted(path for path in beside if "data" in path.name.removeprefix(graph.stem) and path.is_file())


def _facts(config: Mapping[str, Any], fixed_tokens: int = 0) -> EncoderSpec:
    """What config.json says before the file is opened. Classifiers with a decoder read the state at the end token."""
    positions = read_positions(config)
    end = config.get("eos_token_id")
    return EncoderSpec(
        architecture=str(config.get("model_type", "unknown")),
        head="",
        outputs=(),
        max_tokens=min(positions.longest, fixed_tokens or positions.longest),
        pad_token_id=_integer(config, "pad_token_id", 0),
        vocabulary=_integer(config, "vocab_size", 0),
        type_vocabulary=_integer(config, "type_vocab_size", 0),
        position_offset=positions.offset,
        layout="padded",
        needed_token=end if config.get("is_encoder_decoder") and is_whole(end) else None,
    )


def _infer(checkpoint: Checkpoint, ports: Ports) -> str:
    """The head that the outputs suggest, by their exporters' names."""
    if any(name in ports.outputs for name in STARTS):
        return "question-answering"
    logits = next((name for name in LOGITS if name in ports.outputs), None)
    if logits is None:
        return "embedding"
    return "sequence-classification" if len(ports.outputs[logits]) == 2 else infer_head(checkpoint)


def _sizes(checkpoint: Checkpoint) -> Sizes:
    config = checkpoint.config
    widths = (_integer(config, key, 0) for key in ("hidden_size", "dim", "n_embd", "d_model"))
    width, words = next(filter(None, widths), 0), _integer(config, "vocab_size", 0)
    return Sizes(width, checkpoint.label_count, words, bool(checkpoint.modules))


def _pooled(spec: EncoderSpec, checkpoint: Checkpoint, chosen: Chosen) -> EncoderSpec:
    """What is left to do after the run. A finished vector may be normalised again: nothing changes if it was."""
    if chosen.is_ready:
        modules = checkpoint.modules
        return replace(spec, normalize=bool(modules) and modules[-1].kind == "Normalize")
    pooling, normalize = plain_pooling(checkpoint)
    first, *others = spec.outputs
    return replace(
        spec,
        outputs=(replace(first, width=first.width * len(pooling.modes)), *others),
        pooling="+".join(pooling.modes),
        normalize=normalize,
        excludes_prompt=excludes_prompt(checkpoint),
    )


def _unpooled(chosen: Chosen, folder: Path) -> Chosen:
    """The token states in place of a vector that was pooled inside of the file, with the prompt in it."""
    states = chosen.sources.get("last_hidden_state")
    if not states:
        raise Unsupported(
            f"{folder}: include_prompt is false in the Pooling module's config.json, and the ONNX file gives only a "
            "vector that it pools itself, prompt and all; serve the safetensors, export token_embeddings too, or, "
            "where no prompts are used, set include_prompt to true"
        )
    _, of_tokens, *others = chosen.outputs
    outputs = (replace(of_tokens, name="embedding", granularity="item"), of_tokens, *others)
    return Chosen(outputs, {**chosen.sources, "embedding": states})


def _integer(config: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = config.get(name)
    return value if is_whole(value) and abs(value) <= LARGEST else otherwise
