"""What a folder with an ONNX file of an image model says of it: which input takes the pixels, which output means what.

Nothing is converted; the file is served as it is, one image at a time. What is not told by a name or by being the only
one of its shape is refused, with the list of all. Not here: running it (`naiad.backends.onnxruntime.images`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.images import ImageEncoder, ImagePorts
from naiad.backends.onnxruntime.prepared.sharing import open_shared
from naiad.convert.cache import find_entry
from naiad.convert.vision.families import IMAGE_FAMILIES
from naiad.core.contracts import Instances
from naiad.core.cores import available_cores
from naiad.core.encoder import EncoderItem, EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import CONFIG, read_object

PIXELS = "pixel_values"
"""Name of the input in all exports of transformers' models."""

POOLED = ("image_embeds", "pooler_output")
"""Names under which exporters give a vector for each image, the better one first."""

STATES = "last_hidden_state"

SHARES = ("Softmax", "Sigmoid")
"""Operators after which an output is no logits any more."""

_KINDS: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

Dims = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """An opened ONNX file and what belongs to it."""

    graph: Path
    inputs: Sequence[Any]
    outputs: Mapping[str, Dims]
    config: Mapping[str, Any]
    chosen: str
    """The output that the manifest names; empty: it names none."""

    def fail(self, problem: str) -> LoadFailed:
        """The error with everything that the file has."""
        inputs = ", ".join(f"{node.name} {list(node.shape)}" for node in self.inputs)
        outputs = ", ".join(f"{name} {list(dims)}" for name, dims in self.outputs.items())
        return LoadFailed(
            f"{self.graph}: {problem}; its inputs are {inputs}, its outputs {outputs}", path=str(self.graph)
        )


def open_exported_images(
    graph: Path,
    folder: Path,
    head: str,
    size: tuple[int, int] | None,
    *,
    count: int = 0,
    threads: int = 0,
    output: str = "",
) -> tuple[Instances[EncoderItem], EncoderSpec]:
    """Open an exported image model for serving, and describe it.

    head: image-classification or image-embedding. size: height and width of the prepared images, None where they vary.
    count: narrow instances; 0 = one for each core. threads: of the wide one; 0 = all cores. output: the file's output
    that the user chose. Raises LoadFailed where file, config.json and head cannot agree.
    """
    entry = find_entry(folder, kind=graph.stem, version=0, cache_dir=None, weights=(graph,))
    threads = threads or available_cores()
    narrow, *wide = open_shared(graph, entry.folder, threads=(1,) if threads == 1 else (1, threads))
    outputs = {node.name: tuple(node.shape) for node in narrow.get_outputs()}
    file = _File(graph, narrow.get_inputs(), outputs, read_object(folder / CONFIG, needed=True), output)
    spec, ports = _describe(file, head, size)
    instances = tuple(ImageEncoder(narrow, spec, ports) for _ in range(count or available_cores()))
    return Instances(instances, ImageEncoder(wide[0], spec, ports) if wide else None), spec


def _describe(file: _File, head: str, size: tuple[int, int] | None) -> tuple[EncoderSpec, ImagePorts]:
    pixels = _pixels(file)
    channels_last = _is_channels_last(file, pixels)
    shape = [*pixels.shape[1:]]
    if channels_last:
        shape = [shape[2], *shape[:2]]
    channels = shape[0] if isinstance(shape[0], int) else 3
    height, width = _size(file, shape[1:], size)
    ports = ImagePorts(pixels.name, channels_last, _KINDS[pixels.type], batches=False)
    spec = EncoderSpec(
        architecture=str(file.config.get("model_type", "unknown")),
        head=head,
        outputs=(),
        max_tokens=max(1, height * width // 256),
        layout="images",
        channels=channels,
        height=height,
        width=width,
    )
    return _classifier(file, spec, ports) if head == "image-classification" else _embedder(file, spec, ports)


def _pixels(file: _File) -> Any:
    """The one input."""
    if len(file.inputs) != 1:
        raise file.fail("an image model has one input, the pixels")
    (node,) = file.inputs
    if len(node.shape) != 4 or node.type not in _KINDS:
        raise file.fail(f"the input must be float32 or float16 with four axes; {node.name} is {node.type}")
    if isinstance(node.shape[0], int) and node.shape[0] != 1:
        raise file.fail(f"the batch axis is fixed at {node.shape[0]}; export it with one that varies")
    return node


def _is_channels_last(file: _File, node: Any) -> bool:
    first, last = (axis in (1, 3, 4) for axis in (node.shape[1], node.shape[3]))
    if first != last:
        return last
    if node.name == PIXELS:
        return False
    raise file.fail(
        f"it cannot be told whether the channels of {node.name} come first or last; call it {PIXELS} if first"
    )


def _size(file: _File, fixed: Sequence[Any], size: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width: what the file wants, what the preprocessing makes, or what config.json says."""
    wanted = [axis if isinstance(axis, int) else 0 for axis in fixed]
    size = size or _configured_size(file.config.get("image_size"))
    height, width = (axis or (size[at] if size else 0) for at, axis in enumerate(wanted))
    if not height or not width:
        raise file.fail("neither the file nor preprocessor_config.json nor config.json says how large images are")
    if size is not None and size != (height, width):
        raise file.fail(f"preprocessor_config.json makes images of {size[0]} x {size[1]}")
    return height, width


def _configured_size(value: object) -> tuple[int, int] | None:
    """config.json's image_size, which is one number or two."""
    match value:
        case int(side):
            return side, side
        case [int(height), int(width)]:
            return height, width
    return None


def _classifier(file: _File, spec: EncoderSpec, ports: ImagePorts) -> tuple[EncoderSpec, ImagePorts]:
    """Logits by name, or the only output; whether they are shares already is read from the operator that makes them."""
    name = file.chosen or ("logits" if "logits" in file.outputs else "")
    if not name and len(file.outputs) == 1:
        (name,) = file.outputs
    if name not in file.outputs:
        problem = f"there is no output '{name}'" if name else "none of the outputs is called `logits`"
        raise file.fail(f"{problem}; name the one with a number for each label (`output:` in the manifest)")
    dims = [axis for axis in file.outputs[name][1:] if axis != 1]
    labels = len(file.config.get("id2label") or {})
    width = dims[0] if len(dims) == 1 and isinstance(dims[0], int) else labels
    if len(dims) > 1 or not width or (labels and labels != width):
        raise file.fail(f"the output {name} is no number for each of the {labels} labels of config.json")
    made = replace(
        spec,
        outputs=(EncoderOutput("logits", "sequence", width),),
        gives_shares=_operator(file.graph, name) in SHARES,
    )
    return made, replace(ports, outputs={"logits": name})


def _embedder(file: _File, spec: EncoderSpec, ports: ImagePorts) -> tuple[EncoderSpec, ImagePorts]:
    """A vector by its name, else the class token's state where the family has such a token."""
    states = STATES if len(file.outputs.get(STATES, ())) == 3 else ""
    pooled = file.chosen or next((name for name in POOLED if len(file.outputs.get(name, ())) == 2), "")
    family = IMAGE_FAMILIES.get(spec.architecture)
    first = False
    if not pooled and states and family is not None and family.tokens:
        pooled, first = states, True
    if pooled not in file.outputs:
        wanted = ", ".join((*POOLED, STATES))
        raise file.fail(
            f"none of the outputs is known as a vector for an image ({wanted}); name it (`output:` in the manifest)"
        )
    outputs = [EncoderOutput("embedding", "sequence", _width(file, pooled))]
    names = {"embedding": pooled}
    if states:
        outputs.append(EncoderOutput(STATES, "token", _width(file, states)))
        names[STATES] = states
    return replace(spec, outputs=tuple(outputs)), replace(ports, outputs=names, first_token=first)


def _width(file: _File, output: str) -> int:
    last = file.outputs[output][-1]
    width = last if isinstance(last, int) else file.config.get("hidden_size")
    if not isinstance(width, int) or width < 1:
        raise file.fail(f"neither the file nor config.json says how wide the output {output} is")
    return width


def _operator(graph: Path, output: str) -> str:
    """The operator that makes an output; empty where it is a graph's input or constant."""
    import onnx

    model = onnx.load(str(graph), load_external_data=False)
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type in ("Identity", "Reshape", "Flatten", "Squeeze", "Cast"):
        node = makers.get(node.input[0])
    return "" if node is None else str(node.op_type)
