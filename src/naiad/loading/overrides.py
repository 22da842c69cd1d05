"""A configuration or files that came with a load: checked, and put into a folder that stands in for the model's own.

Whoever may load models this way chooses what the server runs, so the gates are narrow: paths stay inside the folder,
sizes are bounded, and whatever can run code needs the operator's word (`--allow-code-upload`).
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from naiad.core.errors import InvalidConfiguration, InvalidRequest, Unsupported
from naiad.core.settings.config import ModelSettings
from naiad.loading.uploads import upload_folder
from naiad.modelconfig import infer_backend, parse_json
from naiad.repository import check_relative_path
from naiad.serving.control import LoadParameters

CODE_SUFFIXES = frozenset(
    (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".pt", ".pt2", ".pth", ".pkl", ".pickle", ".tar", ".gz")
)
"""Files that run when they are loaded, or that hold such; archives are Triton's packed Python environments."""

DATA_BACKENDS = frozenset(("onnxruntime", "identity", "openvino", "tensorrt"))
"""Backends to which every file is data, whatever it is called."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}", re.ASCII)
"""For models that need not be in a repository: such a name means nothing to any shell, path or URL."""

_PIECE_LETTERS = 2**20
"""Of base64 in one call, which takes a millisecond; a multiple of four."""


@dataclass(frozen=True, slots=True)
class Override:
    """What a model is loaded from instead."""

    document: Mapping[str, Any]
    folder: Path | None = None
    """In place of the model's own; None: only the configuration is replaced."""

    def discard(self) -> None:
        """Remove the files; for when the load failed or its last model has been released. Blocks."""
        if self.folder is not None:
            shutil.rmtree(self.folder.parent, ignore_errors=True)


def read_override(name: str, parameters: LoadParameters, settings: ModelSettings) -> Override | None:
    """Check what came with a load and write its files; None if nothing came. Blocks.

    Raises InvalidConfiguration for what Triton fails to poll, InvalidRequest and Unsupported for what we refuse.
    """
    if parameters.config is None:
        if parameters.files:
            raise InvalidConfiguration("Load parameter 'config' must be specified for model file override")
        return None
    try:
        document = parse_json(parameters.config, f"model '{name}'")
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"Invalid config override: {error.message}") from error
    if not parameters.files:
        return Override(document)
    if not PLAIN_NAME.fullmatch(name):
        raise InvalidRequest(
            f"model name {name!r}: the name of an uploaded model may have letters, digits and . _ + - only",
            model=name,
        )
    files = {_checked(path): value for path, value in parameters.files.items()}
    if not settings.allow_code_upload:
        _refuse_code(name, document, list(files))
    return Override(document, _write(name, _decoded(files, settings.upload_max_size)))


def _checked(path: str) -> str:
    pure = PurePosixPath(path)
    try:
        return check_relative_path(path)
    except InvalidConfiguration as error:
        raise InvalidConfiguration(
            f"Invalid file parameter 'file:{path}' with normalized path '{pure}' must stay within model directory."
        ) from error


def _refuse_code(name: str, document: Mapping[str, Any], paths: list[str]) -> None:
    names = [PurePosixPath(path).name for path in paths]
    code = next((path for path in paths if CODE_SUFFIXES & set(PurePosixPath(path.lower()).suffixes)), "")
    backend = document.get("backend") or infer_backend({**document, "name": name}, names)
    if code or backend not in DATA_BACKENDS:
        what = f"file '{code}' can run code" if code else f"files for backend '{backend}' can run code"
        raise Unsupported(
            f"failed to load '{name}', {what} on this server, which accepts no code over the network unless it is "
            "started with --allow-code-upload",
            model=name,
        )


def _decoded(files: Mapping[str, str | bytes], most_bytes: int) -> dict[str, list[bytes]]:
    """Return the bytes of each file, in pieces."""
    decoded: dict[str, list[bytes]] = {}
    size = 0
    for path, value in files.items():
        size += len(value) if isinstance(value, bytes) else len(value) // 4 * 3
        if size - 2 > most_bytes:  # base64 may end in two signs that stand for nothing
            raise InvalidRequest(
                f"the uploaded files have more than {most_bytes} bytes together, the limit of --model-upload-max-size",
                most_bytes=most_bytes,
            )
        try:
            decoded[path] = [value] if isinstance(value, bytes) else list(_from_base64(value))
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest(f"load parameter 'file:{path}' is not base64: {error}", path=path) from error
    return decoded


def _from_base64(text: str) -> Iterator[bytes]:
    """Decode in pieces: in a longer call nobody else would get on. Raises binascii.Error or ValueError."""
    for at in range(0, len(text), _PIECE_LETTERS):
        piece = text[at : at + _PIECE_LETTERS]
        if piece[-1] == "=" and at + _PIECE_LETTERS < len(text):
            raise ValueError("Excess data after padding")
        yield base64.b64decode(piece, validate=True)


def _write(name: str, files: Mapping[str, Sequence[bytes]]) -> Path:
    """Write into a new folder that only this user can read; return the model's folder in it."""
    folder = upload_folder() / name
    try:
        folder.mkdir()
        for path, pieces in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                out.writelines(pieces)
    except OSError as error:  # too long a name, a file where another one needs a folder, no space
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise InvalidConfiguration(f"the uploaded files cannot be written: {error.strerror}") from error
    return folder
