"""What a folder holds: a checkpoint, one Triton model, or a Triton model repository.

Nothing is loaded here. Names decide, the same for a folder, a package and a Hub snapshot; read are only the modules of
a checkpoint that has its config.json below (`checkpoint/`), and Git LFS pointers in place of files (`pointers.py`). A
link may stand for a whole model's folder (the operator put it there); inside a model every path must stay inside it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository.checkpoint import CONFIG, INDEX, SINGLE, Checkpoint
from naiad.repository.checkpoint.modules import MODULES
from naiad.repository.links import check_inside
from naiad.repository.names import check_model_name
from naiad.repository.onnx_files import USUAL, best_onnx
from naiad.repository.pointers import refuse_pointers

CONFIG_FILE = "config.pbtxt"
VERSION = re.compile(r"[1-9][0-9]{0,17}")
"""Names of version folders: positive, without leading zero."""
_TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model",
    "spm.model", "tokenizer.model",
)  # fmt: skip
_IMAGE_FILES = ("preprocessor_config.json", "processor_config.json")
"""Models of images say here how these are prepared."""
ADAPTER = "adapter_config.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "tf_model.h5", "flax_model.msgpack")


class LayoutKind(enum.Enum):
    """What a folder can be."""

    CHECKPOINT = "checkpoint"
    """config.json, tokenizer or image processor, safetensors (and perhaps ONNX files too)."""
    ONNX_CHECKPOINT = "onnx-checkpoint"
    """The same with ONNX weights only."""
    TRITON_MODEL = "triton-model"
    """config.pbtxt and/or numbered version folders."""
    TRITON_REPOSITORY = "triton-repository"
    """Folders that are Triton models."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One Triton model in its folder."""

    name: str
    folder: Path
    versions: tuple[int, ...]
    """Ascending; empty where there is no version folder (ensembles may do without)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What was recognised."""

    kind: LayoutKind
    folder: Path
    models: tuple[ModelFolder, ...] = ()
    """Triton kinds only, by name."""
    safetensors: Path | None = None
    """Checkpoints: model.safetensors, or the index of its shards."""
    onnx: Path | None = None
    """Checkpoints: the ONNX file, if one lies there."""


def recognise(folder: Path, *, onnx: str = "") -> Layout:
    """Tell what lies in a folder; `onnx` names an ONNX file other than the usual two (relative).

    Raises NotFound if there is no such folder, InvalidConfiguration if it is none of the four, saying what was
    looked for and what is there instead.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}", folder=str(folder))
    if holds_checkpoint(folder):
        return _checkpoint(Checkpoint(folder), onnx)
    model = model_folder(folder)
    if model is not None:
        return Layout(LayoutKind.TRITON_MODEL, folder, (model,))
    models = tuple(filter(None, (model_folder(child) for child in _visible_folders(folder))))
    if models:
        return Layout(LayoutKind.TRITON_REPOSITORY, folder, models)
    raise InvalidConfiguration(_nothing_found(folder), folder=str(folder))


def model_folder(folder: Path) -> ModelFolder | None:
    """The Triton model in a folder, or None if it is not one. Raises InvalidConfiguration for links that lead out."""
    versions = versions_of(folder)
    has_files = any(any(_visible(folder / str(version))) for version in versions)
    if not has_files and not (folder / CONFIG_FILE).is_file():
        return None
    check_inside(folder)
    return ModelFolder(check_model_name(folder.name), folder, versions)


def versions_of(folder: Path) -> tuple[int, ...]:
    """Numbers of the version folders, ascending: positive, without leading zero; other folders are not versions."""
    return tuple(sorted(int(child.name) for child in _visible_folders(folder) if VERSION.fullmatch(child.name)))


def holds_checkpoint(folder: Path) -> bool:
    """Whether a folder looks like a Hugging Face checkpoint, by names alone."""
    names = (CONFIG, MODULES)
    return not (folder / CONFIG_FILE).is_file() and any((folder / name).is_file() for name in names)


def _checkpoint(checkpoint: Checkpoint, onnx: str) -> Layout:
    folder = checkpoint.folder
    check_inside(folder)
    body = checkpoint.body
    safetensors = checkpoint.safetensors
    best = best_onnx(checkpoint.onnx_files)
    onnx_file = _first(folder, (onnx,)) if onnx else body / best if best else None
    if (body / ADAPTER).is_file() and (onnx_file is None or (safetensors is not None and not onnx)):
        raise InvalidConfiguration(f"{body} has {ADAPTER_ADVICE}", folder=str(folder))
    if safetensors is None and onnx_file is None:
        raise InvalidConfiguration(_no_weights(checkpoint), folder=str(folder))
    refuse_pointers(_needed(body, safetensors, onnx_file))
    if _first(body, (*_TOKENIZER_FILES, *_IMAGE_FILES)) is None:
        raise InvalidConfiguration(
            f"{body} has a checkpoint's weights but no tokenizer and no image processor: looked for "
            f"{', '.join((*_TOKENIZER_FILES, *_IMAGE_FILES))}; save it there with "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…), or AutoImageProcessor",
            folder=str(folder),
        )
    kind = LayoutKind.ONNX_CHECKPOINT if safetensors is None else LayoutKind.CHECKPOINT
    return Layout(kind, folder, safetensors=safetensors, onnx=onnx_file)


def _needed(body: Path, safetensors: Path | None, onnx: Path | None) -> Iterator[Path]:
    """Yield the large files that a checkpoint is read from, as far as names tell."""
    if safetensors is not None:
        yield from (safetensors, *sorted(body.glob("model-*-of-*.safetensors")))
    elif onnx is not None:
        yield from (onnx, *sorted(onnx.parent.glob(f"{onnx.name}?data")))
    whole = body / _TOKENIZER_FILES[0]
    yield from [whole] if whole.is_file() else (body / name for name in _TOKENIZER_FILES)


def _no_weights(checkpoint: Checkpoint) -> str:
    folder = checkpoint.body
    wanted = ", ".join((INDEX, SINGLE, *USUAL))
    if onnx := checkpoint.onnx_files:
        return f"{folder} has several ONNX files and no usual one: set `weights` to one of {', '.join(onnx)}"
    pickles = [name for name in _PICKLES if (folder / name).is_file()]
    if pickles:
        return f"{folder} has its weights only as {', '.join(pickles)}, {PICKLE_ADVICE}"
    return (
        f"{folder} has the files of a checkpoint but no weights: looked for {wanted} (`weights` can name another ONNX "
        f"file); found {_listing(folder)}"
    )


PICKLE_ADVICE = (
    "a format that can run code when it is opened, so it is never loaded; convert it once where you trust it: "
    "AutoModel….from_pretrained(…).save_pretrained(…) of transformers writes safetensors"
)


ADAPTER_ADVICE = (
    f"{ADAPTER}: an adapter (PEFT) for another model's weights, which is not applied here; merge the two once: "
    "peft's merge_and_unload(), then save_pretrained(…). If that has been done, remove the file, or choose an ONNX "
    "file with `weights`"
)


def _nothing_found(folder: Path) -> str:
    if (folder / ADAPTER).is_file():
        return f"{folder} has {ADAPTER_ADVICE}"
    return (
        f"{folder} holds nothing to serve: looked for config.json (a checkpoint), for {CONFIG_FILE} or a numbered "
        "version folder (a Triton model), and for folders that have these (a model repository); found "
        f"{_listing(folder)}"
    )


def _listing(folder: Path) -> str:
    names = sorted(child.name + "/" * child.is_dir() for child in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def _visible_folders(folder: Path) -> list[Path]:
    return [child for child in _visible(folder) if child.is_dir()]
