"""What a folder with an ONNX file of somebody else's says of its encoder: head, outputs, sizes, pooling.

Nothing is converted; the file is served padded as it is. Not here: running it (`naiad.backends.onnxruntime.padded`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.instances import EncoderInstances
from naiad.backends.onnxruntime.padded import SENTENCE, EncoderFile, PaddedEncoder, Ports
from naiad.backends.onnxruntime.prepared.sharing import open_shared
from naiad.backends.onnxruntime.session import available_cores
from naiad.convert.cache import find_entry
from naiad.convert.encoder.heads.choice import infer_head
from naiad.convert.encoder.sentence import excludes_prompt, plain_pooling, read_json
from naiad.core.encoder import EncoderOutput, EncoderSpec, TokenSequence
from naiad.core.errors import LoadFailed
from naiad.core.positions import read_positions
from naiad.repository.modules import body_folder


def describe_onnx_encoder(folder: Path, ports: Ports, *, head: str | None = None) -> EncoderSpec:
    """An EncoderSpec for an exported encoder, from its ports and the folder's config.json and sentence files.

    head: as in convert_checkpoint; None infers it. Raises LoadFailed where file and head cannot agree, Unsupported for
    modules behind the pooling that the file does not hold.
    """
    body = body_folder(folder)
    config = read_json(body / "config.json")
    head = head or _infer(config, folder, ports)
    outputs = _outputs(config, head, folder, ports)
    pooling, normalize = _pooling(folder, ports) if head == "embedding" else ("none", False)
    positions = read_positions(config)
    types = _integer(config, "type_vocab_size", 0)
    return EncoderSpec(
        architecture=str(config.get("model_type", "unknown")),
        head=head,
        outputs=outputs,
        max_tokens=min(positions.longest, ports.fixed_tokens or positions.longest),
        pad_token_id=_integer(config, "pad_token_id", 0),
        uses_type_ids="token_type_ids" in ports.inputs and types != 1,
        vocabulary=_integer(config, "vocab_size", 0),
        type_vocabulary=types,
        position_offset=positions.offset,
        layout="padded",
        pooling=pooling,
        normalize=normalize,
        excludes_prompt=pooling != "none" and excludes_prompt(folder),
    )


def open_padded_encoder(
    graph: Path, folder: Path, head: str | None = None, *, count: int = 0, threads: int = 0
) -> tuple[EncoderInstances[TokenSequence], EncoderSpec]:
    """Open an exported encoder for serving, and describe it.

    The sessions share their weights through a copy in the cache (see `prepared/`). head: None infers it. count:
    narrow instances; 0 = one for each core. threads: of the wide one; 0 = all cores. Raises what
    describe_onnx_encoder raises.
    """
    entry = find_entry(folder, kind=graph.stem, version=0, cache_dir=None, weights=(graph,))
    threads = threads or available_cores()
    sessions = open_shared(graph, entry.folder, threads=(1,) if threads == 1 else (1, threads))
    files = [EncoderFile(graph, session) for session in sessions]
    spec = describe_onnx_encoder(folder, files[0].ports, head=head)
    narrow = tuple(PaddedEncoder(files[0], spec) for _ in range(count or available_cores()))
    return EncoderInstances(narrow, PaddedEncoder(files[1], spec) if len(files) > 1 else narrow[0]), spec


def _infer(config: Mapping[str, Any], folder: Path, ports: Ports) -> str:
    if "start_logits" in ports.outputs:
        return "question-answering"
    if "logits" not in ports.outputs:
        return "embedding"
    return "sequence-classification" if len(ports.outputs["logits"]) == 2 else infer_head(config, folder)


def _outputs(config: Mapping[str, Any], head: str, folder: Path, ports: Ports) -> tuple[EncoderOutput, ...]:
    hidden = _integer(config, "hidden_size", _integer(config, "dim", 0))
    if head == "embedding":
        return _embedding_outputs(folder, ports, hidden)
    if head == "question-answering" and "start_logits" in ports.outputs:
        return (EncoderOutput("logits", "token", 2),)
    rank = 2 if head == "sequence-classification" else 3
    if len(ports.outputs.get("logits", ())) != rank:
        raise LoadFailed(
            f"the ONNX file's outputs are {', '.join(ports.outputs)}; the head {head} needs `logits` of rank {rank}"
        )
    labels = len(config.get("id2label") or {}) or _integer(config, "num_labels", 2)
    width = _width(ports, "logits", _integer(config, "vocab_size", 0) if head == "masked-lm" else labels)
    granularity = {"sequence-classification": "sequence", "masked-lm": "row"}.get(head, "token")
    return (EncoderOutput("logits", granularity, width),)


def _embedding_outputs(folder: Path, ports: Ports, hidden: int) -> tuple[EncoderOutput, ...]:
    states, sentence = ports.token_states, ports.first(SENTENCE)
    if states is None and sentence is None:
        raise LoadFailed(f"the ONNX file's outputs are {', '.join(ports.outputs)}; none of them is an embedding")
    outputs = []
    pooling, _ = _pooling(folder, ports)
    if pooling == "none":
        outputs.append(EncoderOutput("embedding", "sequence", _width(ports, str(sentence), hidden)))
    else:
        width = _width(ports, str(states), hidden) * len(pooling.split("+"))
        outputs.append(EncoderOutput("embedding", "sequence", width))
    if states is not None:
        outputs.append(EncoderOutput("last_hidden_state", "token", _width(ports, states, hidden)))
    return tuple(outputs)


def _pooling(folder: Path, ports: Ports) -> tuple[str, bool]:
    """What is left to do after the run: nothing, where the file gives the finished sentence embedding."""
    if "sentence_embedding" in ports.outputs or ports.token_states is None:
        return "none", False
    pooling, normalize = plain_pooling(folder)
    return "+".join(pooling.modes), normalize


def _width(ports: Ports, output: str, otherwise: int) -> int:
    last = ports.outputs[output][-1]
    width = last if isinstance(last, int) else otherwise
    if width < 1:
        raise LoadFailed(f"neither the ONNX file nor config.json says how wide the output {output} is")
    return width


def _integer(config: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
