"""What a folder with an ONNX file of an image model says of it: which input takes the pixels, which output means what.

Nothing is converted; the file is served as it is, one image at a time. What is not told by a name or by being the only
one of its shape is refused, with the list of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from naiad.backends.registry import ENCODERS, find_backend
from naiad.convert.cache import find_entry
from naiad.convert.vision.families import IMAGE_FAMILIES
from naiad.core.contracts import LoadRequest
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.encoding.files import EncoderFiles, PixelPorts
from naiad.core.encoding.ports import SHARES, Dims, Ports
from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import read_config

PIXELS = "pixel_values"
"""Name of the input in all exports of transformers' models."""

POOLED = ("image_embeds", "pooler_output")
"""Names under which exporters give a vector for each image, the better one first."""

STATES = "last_hidden_state"

_KINDS = ("FP32", "FP16")


@dataclass(frozen=True, slots=True)
class _File:
    """An opened ONNX file and what belongs to it."""

    graph: Path
    ports: Ports
    config: Mapping[str, Any]
    chosen: str
    """The output that the manifest names; empty: it names none."""

    def fail(self, problem: str) -> LoadFailed:
        """The error with everything that the file has."""
        inputs, outputs = (
            ", ".join(f"{name} {list(dims)}" for name, dims in side.items())
            for side in (self.ports.inputs, self.ports.outputs)
        )
        return LoadFailed(
            f"{self.graph}: {problem}; its inputs are {inputs}, its outputs {outputs}", path=str(self.graph)
        )


def describe_exported_images(
    graph: Path, folder: Path, head: str, size: tuple[int, int] | None, *, output: str = ""
) -> EncoderFiles:
    """An exported image model, described for serving; it is copied for this machine and tried.

    head: image-classification or image-embedding. size: height and width of the prepared images, None where they vary.
    output: the file's output that the user chose. Raises LoadFailed where file, config.json and head cannot agree.
    """
    config = read_config(folder, needed=True)
    entry = find_entry(folder, kind=graph.stem, version=0, cache_dir=None, weights=(graph,))
    unknown = EncoderSpec(str(config.get("model_type", "unknown")), head, (), max_tokens=1, layout="images")
    files = EncoderFiles(graph, unknown, entry.folder)
    ports = find_backend(ENCODERS).inspect(LoadRequest(files, ()))
    return _describe(_File(graph, ports, config, output), replace(files, ports=ports), size)


def _describe(file: _File, files: EncoderFiles, size: tuple[int, int] | None) -> EncoderFiles:
    name, dims = _pixels(file)
    channels_last = _is_channels_last(file, name, dims)
    shape = [*dims[1:]]
    if channels_last:
        shape = [shape[2], *shape[:2]]
    channels = shape[0] if isinstance(shape[0], int) else 3
    height, width = _size(file, shape[1:], size)
    tokens = max(1, height * width // 256)
    spec = replace(files.spec, max_tokens=tokens, channels=channels, height=height, width=width)
    described = replace(files, spec=spec, pixels=PixelPorts(name, channels_last, batches=False))
    return (_classifier if spec.head == "image-classification" else _embedder)(file, described)


def _pixels(file: _File) -> tuple[str, Dims]:
    """The one input, and its shape."""
    if len(file.ports.inputs) != 1:
        raise file.fail("an image model has one input, the pixels")
    ((name, dims),) = file.ports.inputs.items()
    kind = file.ports.types[name]
    if len(dims) != 4 or kind not in _KINDS:
        raise file.fail(f"the input must be {' or '.join(_KINDS)} with four axes; {name} is {kind}")
    if isinstance(dims[0], int) and dims[0] != 1:
        raise file.fail(f"the batch axis is fixed at {dims[0]}; export it with one that varies")
    return name, dims


def _is_channels_last(file: _File, name: str, dims: Dims) -> bool:
    first, last = (axis in (1, 3, 4) for axis in (dims[1], dims[3]))
    if first != last:
        return last
    if name == PIXELS:
        return False
    raise file.fail(f"it cannot be told whether the channels of {name} come first or last; call it {PIXELS} if first")


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


def _classifier(file: _File, files: EncoderFiles) -> EncoderFiles:
    """Logits by name, or the only output; whether they are shares already is read from the operator that makes them."""
    name = file.chosen or ("logits" if "logits" in file.ports.outputs else "")
    if not name and len(file.ports.outputs) == 1:
        (name,) = file.ports.outputs
    if name not in file.ports.outputs:
        problem = f"there is no output '{name}'" if name else "none of the outputs is called `logits`"
        raise file.fail(f"{problem}; name the one with a number for each label (`output:` in the manifest)")
    dims = [axis for axis in file.ports.outputs[name][1:] if axis != 1]
    labels = len(file.config.get("id2label") or {})
    width = dims[0] if len(dims) == 1 and isinstance(dims[0], int) else labels
    if len(dims) > 1 or not width or (labels and labels != width):
        raise file.fail(f"the output {name} is no number for each of the {labels} labels of config.json")
    outputs = (EncoderOutput("logits", "item", width),)
    spec = replace(files.spec, outputs=outputs, gives_shares=file.ports.makers.get(name) in SHARES)
    return replace(files, spec=spec, sources={"logits": (name,)})


def _embedder(file: _File, files: EncoderFiles) -> EncoderFiles:
    """A vector by its name, else the class token's state where the family has such a token."""
    states = STATES if len(file.ports.outputs.get(STATES, ())) == 3 else ""
    pooled = file.chosen or next((name for name in POOLED if len(file.ports.outputs.get(name, ())) == 2), "")
    family = IMAGE_FAMILIES.get(files.spec.architecture)
    first = False
    if not pooled and states and family is not None and family.tokens:
        pooled, first = states, True
    if pooled not in file.ports.outputs:
        wanted = ", ".join((*POOLED, STATES))
        raise file.fail(
            f"none of the outputs is known as a vector for an image ({wanted}); name it (`output:` in the manifest)"
        )
    outputs = [EncoderOutput("embedding", "item", _width(file, pooled))]
    sources = {"embedding": (pooled,)}
    if states:
        outputs.append(EncoderOutput(STATES, "token", _width(file, states)))
        sources[STATES] = (states,)
    spec = replace(files.spec, outputs=tuple(outputs))
    return replace(files, spec=spec, sources=sources, pixels=replace(files.pixels, first_token=first))


def _width(file: _File, output: str) -> int:
    last = file.ports.outputs[output][-1]
    width = last if isinstance(last, int) else file.config.get("hidden_size")
    if not isinstance(width, int) or width < 1:
        raise file.fail(f"neither the file nor config.json says how wide the output {output} is")
    return width
