"""What a sentence-transformers folder says happens after the body, as steps in the order in which it is written.

Pooling, dense layers, normalisation: read from each module's own config.json and checked. What is not known is refused
by name. Not here: which modules there are (`naiad.repository.checkpoint`) and the graph of them (`heads/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.json_values import LARGEST, is_whole, shown
from naiad.repository.checkpoint import CONFIG, Checkpoint, Module, read_object

TOKENS = "token_embeddings"
SENTENCE = "sentence_embedding"
"""How sentence-transformers calls the two values that modules read and write."""

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken")

_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Before version 5.4: a flag for each mode, joined in this order."""

_INSTRUCTORS = frozenset(f"models--hkunlp--instructor-{size}" for size in ("base", "large", "xl"))
"""In the Hub's cache. These do not write `include_prompt: false`; sentence-transformers knows them by name, too."""

_SYNONYMS = {"mean_sqrt_len_tokens": "mean_sqrt_len"}

ACTIVATIONS = (
    "Identity",
    "Tanh",
    "ReLU",
    "GELU",
    "SiLU",
    "Sigmoid",
    "LeakyReLU",
    "ELU",
    "SELU",
    "CELU",
    "Softplus",
    "Softsign",
    "Mish",
    "ReLU6",
    "Hardtanh",
    "Hardswish",
    "Hardsigmoid",
    "LogSigmoid",
    "Tanhshrink",
)
"""Classes of torch.nn that are made without arguments and work on each number by itself."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """Token states to one vector."""

    modes: tuple[str, ...]
    """Joined in this order where there is more than one."""
    include_prompt: bool = True
    """False: the prompt's tokens are left out."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer, on the sentence's vector or on every token."""

    folder: Path
    inputs: int
    outputs: int
    has_bias: bool
    activation: str
    """One of ACTIVATIONS."""
    reads: str = SENTENCE
    writes: str = SENTENCE
    has_residual: bool = False
    """What it reads is added to what it gives, through a layer `residual` where the widths differ."""


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """LayerNorm of the sentence's vector."""

    folder: Path
    width: int


@dataclass(frozen=True, slots=True)
class Normalize:
    """Division by the Euclidean norm."""

    reads: str = SENTENCE
    writes: str = SENTENCE


Step = Pooling | Dense | LayerNorm | Normalize


def refuse_modules(checkpoint: Checkpoint) -> None:
    """Raise Unsupported naming what follows the first module, for heads that nothing may follow."""
    for module in checkpoint.modules[1:]:
        if module.kind != "Dropout":
            raise unknown_module(module)


def excludes_prompt(checkpoint: Checkpoint) -> bool:
    """Whether pooling leaves out the tokens of a prompt."""
    return any(isinstance(step, Pooling) and not step.include_prompt for step in read_steps(checkpoint))


def read_steps(checkpoint: Checkpoint) -> tuple[Step, ...]:
    """What follows the body, in order; mean pooling alone where there is no modules.json.

    Raises Unsupported for modules and options that are not computed, LoadFailed for unreadable files.
    """
    modules = checkpoint.modules
    if not modules:
        return (Pooling(("mean",)),)
    steps = [step for module in modules[1:] for step in read_step(module)]
    if modules[0].kind != "Transformer":
        raise unknown_module(modules[0])
    return tuple(steps)


def read_step(module: Module, default: str = SENTENCE) -> tuple[Step, ...]:
    """The step that a module stands for; none for one that does nothing when a model is served.

    default: what a Dense module works on if it does not say.
    """
    match module.kind:
        case "Pooling":
            return (_read_pooling(module.folder),)
        case "Dense":
            return (_read_dense(module, default),)
        case "LayerNorm":
            path = module.folder / CONFIG
            return (LayerNorm(module.folder, _width(path, read_object(path, needed=True), "dimension")),)
        case "Normalize":
            return (_read_normalize(module.folder / CONFIG),)
        case "Dropout":
            return ()
        case _:
            raise unknown_module(module)


def unknown_module(module: Module) -> Unsupported:
    """The refusal of a module by its full name."""
    return Unsupported(
        f"{module.folder}: the module {module.type} of modules.json is not computed by Naiad here; known are "
        "Transformer, Pooling, Dense, LayerNorm, Normalize, Dropout, and in models of their own StaticEmbedding and "
        "SpladePooling of sentence_transformers. Export the whole model to ONNX "
        "with the output sentence_embedding, and serve that folder",
        module=module.type,
    )


def plain_pooling(checkpoint: Checkpoint) -> tuple[Pooling, bool]:
    """The pooling of a checkpoint with nothing behind it but, perhaps, normalisation; and whether it has that.

    Raises Unsupported naming the step that there is besides.
    """
    steps = read_steps(checkpoint)
    match steps:
        case (Pooling() as pooling,):
            return pooling, False
        case (Pooling() as pooling, Normalize(reads="sentence_embedding", writes="sentence_embedding")):
            return pooling, True
    names = ", ".join(type(step).__name__ for step in steps) or "nothing"
    raise Unsupported(
        f"{checkpoint.folder}: the ONNX file stops at token states, and modules.json has {names} behind them, of which "
        "only Pooling and Normalize are computed outside of a graph; export the whole model, so that it has the output "
        "sentence_embedding, or serve the safetensors"
    )


def _read_pooling(folder: Path) -> Pooling:
    path = folder / CONFIG
    content = read_object(path, needed=True)
    written = content.get("pooling_mode")
    written = [written] if isinstance(written, str) else written
    if written is not None and not (isinstance(written, list) and all(isinstance(mode, str) for mode in written)):
        raise LoadFailed(f"{path}: pooling_mode is {shown(written)}, a list of names is expected", path=str(path))
    if written is None:
        modes = [mode for flag, mode in _FLAGS.items() if content.get(flag)] or ["mean"]
    else:
        modes = [_SYNONYMS.get(mode, mode) for mode in written]
    flags = [key for key, value in content.items() if key.startswith("pooling_mode_") and value and key not in _FLAGS]
    unknown = [str(mode) for mode in modes if mode not in POOLINGS] + flags
    if unknown or not modes:
        raise Unsupported(
            f"{path}: the pooling {', '.join(unknown) or 'without a mode'} is not known; known: {', '.join(POOLINGS)}"
        )
    include_prompt = content.get("include_prompt", True) is not False and _INSTRUCTORS.isdisjoint(folder.parts)
    return Pooling(tuple(modes), include_prompt)


def _read_dense(module: Module, default: str) -> Dense:
    path = module.folder / CONFIG
    content = read_object(path, needed=True)
    reads = content.get("module_input_name") or (TOKENS if module.is_foreign else default)
    writes = content.get("module_output_name") or reads
    _check_values(path, reads, writes)
    return Dense(
        module.folder,
        _width(path, content, "in_features"),
        _width(path, content, "out_features"),
        bool(content.get("bias", True)),
        _activation(path, content.get("activation_function", "torch.nn.Identity" if module.is_foreign else "Tanh")),
        reads,
        writes,
        bool(content.get("use_residual", False)),
    )


def _read_normalize(path: Path) -> Normalize:
    content = read_object(path)
    reads = content.get("module_input_name") or SENTENCE
    writes = content.get("module_output_name") or reads
    _check_values(path, reads, writes)
    return Normalize(reads, writes)


def _check_values(path: Path, *names: object) -> None:
    for name in names:
        if name not in (TOKENS, SENTENCE):
            raise Unsupported(
                f"{path}: the value {shown(name)} is not known between modules; known: {TOKENS}, {SENTENCE}"
            )


def _activation(path: Path, written: object) -> str:
    """Name of the class; a bare one is our own default."""
    name = str(written or "Identity")
    package, _, kind = name.rpartition(".")
    if kind not in ACTIVATIONS or (package and not package.startswith("torch.nn")):
        known = ", ".join(ACTIVATIONS)
        raise Unsupported(f"{path}: activation_function {name} is not known; known of torch.nn: {known}")
    return kind


def _width(path: Path, content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if not is_whole(value) or not 1 <= value <= LARGEST:
        raise LoadFailed(
            f"{path}: {key} must be a whole number of at least 1 and at most {LARGEST}, not {shown(value)}"
        )
    return value
