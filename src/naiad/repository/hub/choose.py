"""Which files of a Hub repository are needed to serve it: a pure function of their names and a few small JSON files.

A checkpoint needs its configuration, its tokenizer or image processor, and one set of weights. Which set: safetensors
when our own graph builder knows the architecture (its graphs are the fast ones), else an ONNX file of full precision,
else safetensors. A repository with config.pbtxt files holds Triton models, which are taken whole. Never taken: pickles
in any wrapping, and code, unless code is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from naiad.core.errors import DownloadFailed, InvalidConfiguration
from naiad.repository.checkpoint import CONFIG, INDEX, SINGLE, TRANSFORMER_FILES
from naiad.repository.checkpoint.checkpoint import body_of
from naiad.repository.checkpoint.json_files import checked_object
from naiad.repository.checkpoint.modules import MODULES, parse_modules
from naiad.repository.checkpoint.routes import parse_routes, router_file
from naiad.repository.layout import ADAPTER, ADAPTER_ADVICE, PICKLE_ADVICE
from naiad.repository.onnx_files import best_onnx

PICKLES = (
    ".bin",
    ".pt",
    ".pth",
    ".pt2",
    ".pkl",
    ".pickle",
    ".ckpt",
    ".h5",
    ".keras",
    ".msgpack",
    ".joblib",
    ".npy",
    ".npz",
)
CODE = (".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".jar", ".js", ".exe", ".whl")
_TOKENIZERS = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json", "spiece.model",
)  # fmt: skip
"""SigLIP reads spiece.model even where it has tokenizer.json."""
_VOCABULARIES = (
    "vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "sentencepiece.bpe.model", "sentencepiece.model", "spm.model",
    "tokenizer.model",
)  # fmt: skip
"""Needed where tokenizer.json is missing."""
_OTHERS = (
    CONFIG,
    MODULES,
    *TRANSFORMER_FILES,
    "config_sentence_transformers.json",
    "router_config.json",
    "artifact.metadata",
    "preprocessor_config.json",
    "processor_config.json",
    "naiad_conversion.json",
    "README.md",
)
_MODULE_FILE = re.compile(r"([a-z]+_)?\d+_[A-Za-z]+/([^/]+\.json|model\.safetensors)")
_TABLE = (SINGLE, "tokenizer.json")
"""What a table of static embeddings consists of; it need have no config.json."""
_VERSION_FILE = re.compile(r"(?P<model>(?:[^/]+/)?)[1-9][0-9]*/.+")

Read = Callable[[str], Any]
"""Gives the content of one of the repository's JSON files."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a manifest entry says about the files wanted."""

    weights: str = "auto"
    allow: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The files to have, and what the user should be told about those left out."""

    files: tuple[str, ...]
    """Sorted."""
    notices: tuple[str, ...] = ()


def choose_files(
    files: Iterable[str],
    read_json: Read,
    builder_knows: Callable[[Mapping[str, Any]], bool],
    selection: Selection,
) -> Choice:
    """Choose from a repository's files; paths are relative to the folder that is served.

    `read_json` is asked for config.json and the index of sharded weights where they decide, and for the modules of a
    repository that has its config.json below. Raises InvalidConfiguration if nothing there can be served,
    DownloadFailed if a shard is missing, LoadFailed for JSON that makes no sense.
    """
    listed = sorted(path for path in files if not _is_hidden(path))
    kept = [path for path in listed if _is_wanted(path, selection)]
    if any(re.fullmatch(r"([^/]+/)?config\.pbtxt", path) for path in kept):
        return _triton(kept, selection)
    if ADAPTER in listed:
        _check_merged(kept, selection)
    if CONFIG not in kept and (body := _body_below(kept, read_json)):
        return _below(body, kept, read_json, builder_knows, selection)
    if CONFIG not in kept and not _holds_table(kept):
        raise InvalidConfiguration(_nothing_there(listed, kept))
    weights = _weights(listed, kept, read_json, builder_knows, selection)
    base = [path for path in kept if path in (*_TOKENIZERS, *_OTHERS) or _MODULE_FILE.fullmatch(path)]
    if "tokenizer.json" not in kept:
        base += [path for path in kept if path in _VOCABULARIES]
    return Choice(tuple(sorted({*base, *weights})))


def _check_merged(kept: list[str], selection: Selection) -> None:
    """Raise InvalidConfiguration unless an ONNX file is taken: weights beside an adapter are those before training."""
    has_safetensors = INDEX in kept or SINGLE in kept
    if not _onnx_files(kept) or (has_safetensors and not selection.weights.endswith("onnx")):
        raise InvalidConfiguration(f"there is {ADAPTER_ADVICE}")


def _body_below(kept: list[str], read_json: Read) -> str:
    """The folder with a slash in which older sentence-transformers keep the checkpoint itself; empty for none."""
    if MODULES not in kept or _holds_table(kept):
        return ""

    def is_file(path: Path) -> bool:
        return path.as_posix() in kept

    modules = parse_modules(Path(), read_json(MODULES))
    router = router_file(modules, is_file)
    routes = parse_routes(router, read_json(router.as_posix())) if router else None
    body = body_of(modules, routes, is_file) or Path()
    is_there = is_file(body / CONFIG) or all(is_file(body / name) for name in _TABLE)
    return f"{body.as_posix()}/" if is_there else ""


def _holds_table(kept: list[str]) -> bool:
    """Whether there may be static embeddings: modules.json tells, but there is no config.json to read."""
    return {MODULES, *_TABLE} <= {*kept}


def _below(
    body: str,
    kept: list[str],
    read_json: Read,
    builder_knows: Callable[[Mapping[str, Any]], bool],
    selection: Selection,
) -> Choice:
    """The checkpoint of a folder, and the modules around it. Patterns have been applied to whole paths already."""
    inside = [path.removeprefix(body) for path in kept if path.startswith(body)]
    if CONFIG not in inside:
        inside.append(MODULES)
    weights = selection.weights.removeprefix(body)
    choice = choose_files(inside, lambda path: read_json(body + path), builder_knows, Selection(weights))
    around = [path for path in kept if path in _OTHERS or (_MODULE_FILE.fullmatch(path) and not path.startswith(body))]
    below = (body + path for path in choice.files)
    return Choice(tuple(sorted([*around, *(path for path in below if path in kept)])))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _is_wanted(path: str, selection: Selection) -> bool:
    if any(_matches(path, pattern) for pattern in selection.ignore):
        return False
    return not selection.allow or any(_matches(path, pattern) for pattern in selection.allow)


def _matches(path: str, pattern: str) -> bool:
    """The rules of huggingface_hub's allow and ignore patterns: `*` crosses slashes, `folder/` is all that is below."""
    return fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern)


def _triton(kept: list[str], selection: Selection) -> Choice:
    """Everything below the folders that are models."""
    roots = {path.removesuffix("config.pbtxt") for path in kept if re.fullmatch(r"([^/]+/)?config\.pbtxt", path)}
    roots |= {match["model"] for path in kept if "" not in roots and (match := _VERSION_FILE.fullmatch(path))}
    inside = [path for path in kept if any(path.startswith(root) for root in roots)]
    pickles = [path for path in inside if path.endswith(PICKLES)]
    code = [path for path in inside if path.endswith(CODE) and not selection.allow_code]
    notices = []
    if code:
        notices.append(f"left out because it is code: {_names(code)}; allow_code takes it (it runs with all rights)")
    if pickles:
        notices.append(f"left out because opening it could run code: {_names(pickles)}")
    chosen = tuple(path for path in inside if path not in {*pickles, *code})
    return Choice(chosen, tuple(notices))


def _weights(
    listed: list[str],
    kept: list[str],
    read_json: Read,
    builder_knows: Callable[[Mapping[str, Any]], bool],
    selection: Selection,
) -> list[str]:
    if selection.weights.endswith(".onnx"):
        if selection.weights not in kept:
            raise InvalidConfiguration(
                f"weights: there is no file '{selection.weights}'; ONNX files there: {_names(_onnx_files(kept))}",
                key="weights",
            )
        return _with_external_data(selection.weights, kept)
    has_safetensors = INDEX in kept or SINGLE in kept
    onnx = best_onnx(_onnx_files(kept))
    if selection.weights == "safetensors":
        onnx = ""
    elif selection.weights == "onnx":
        has_safetensors = False
    if has_safetensors and (not onnx or CONFIG not in kept or builder_knows(checked_object(CONFIG, read_json(CONFIG)))):
        return _safetensors(listed, kept, read_json)
    if onnx:
        return _with_external_data(onnx, kept)
    raise InvalidConfiguration(_no_weights(kept, selection))


def _safetensors(listed: list[str], kept: list[str], read_json: Read) -> list[str]:
    if INDEX not in kept:
        return [SINGLE]
    weight_map = checked_object(INDEX, read_json(INDEX)).get("weight_map")
    if not isinstance(weight_map, Mapping) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise DownloadFailed(f"{INDEX} has no 'weight_map' from tensors to files; the repository is damaged")
    shards = sorted(set(weight_map.values()))
    missing = [shard for shard in shards if shard not in listed or not shard.endswith(".safetensors")]
    if missing:
        raise DownloadFailed(
            f"shard {missing[0]} is named by {INDEX} but the repository does not have it; the upload of this model is "
            "incomplete: choose another revision",
            missing=missing,
        )
    return [INDEX, *shards]


def _onnx_files(kept: list[str]) -> list[str]:
    return [path for path in kept if path.endswith(".onnx")]


def _with_external_data(path: str, kept: list[str]) -> list[str]:
    """An ONNX file with the weights beside it, which exporters call model.onnx_data, model.onnx.data or model.data."""
    stem = path.removesuffix(".onnx")
    data = [other for other in kept if other.startswith((f"{path}_data", f"{path}.data")) or other == f"{stem}.data"]
    return [path, *data]


def _no_weights(kept: list[str], selection: Selection) -> str:
    pickles = [path for path in kept if path.endswith(PICKLES) and "/" not in path]
    onnx = _onnx_files(kept)
    if selection.weights != "auto":
        return f"weights: there is no {selection.weights} file; there are {_names([*onnx, *_tensors(kept), *pickles])}"
    if onnx:
        return f"several ONNX files and no usual one: set weights to one of {_names(onnx)}"
    if pickles:
        hint = "; many repositories also have a converted branch: try @refs/pr/1"
        return f"there are weights only as {_names(pickles)}, {PICKLE_ADVICE}{hint}"
    return f"there are no weights: looked for {INDEX}, model.safetensors, onnx/model.onnx, model.onnx; {_found(kept)}"


def _tensors(kept: list[str]) -> list[str]:
    return [path for path in kept if path.endswith(".safetensors")]


def _nothing_there(listed: list[str], kept: list[str]) -> str:
    if "config.json" in listed or (listed and not kept):
        return f"allow and ignore leave nothing to serve of {_names(listed)}: config.json is needed"
    folders = sorted({path.split("/")[0] for path in listed if path.count("/") == 1 and path.endswith("/config.json")})
    folders = [folder for folder in folders if not re.match(r"\d+_", folder)]
    hint = f"; did you mean its folder {' or '.join(folders)}? Add it as /{folders[0]}" if folders else ""
    return f"neither config.json (a checkpoint) nor config.pbtxt (Triton models) is there; {_found(listed)}{hint}"


def _found(paths: list[str]) -> str:
    return f"found {_names(paths)}" if paths else "found nothing"


def _names(paths: list[str]) -> str:
    if not paths:
        return "none"
    return ", ".join(paths[:6]) + (f" and {len(paths) - 6} more" if len(paths) > 6 else "")
