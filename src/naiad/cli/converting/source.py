"""From a SOURCE on the command line to a checkpoint's folder; what cannot be converted is refused by name here."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from naiad.convert.checkpoint import builder_knows
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.repository import (
    CONFIG_FILE,
    FetchSettings,
    FolderReference,
    ModelEntry,
    PackageReference,
    fetch,
    find_folder,
    model_name,
    progress_for,
)

_FILES = {
    ".pt": "a TorchScript or pickle file",
    ".pth": "a pickle file",
    ".bin": "a pickle file",
    ".joblib": "a scikit-learn pickle",
    ".pkl": "a pickle file",
    ".gguf": "a GGUF file",
    ".ubj": "an XGBoost model",
    ".plan": "a TensorRT engine",
    ".tflite": "a TensorFlow Lite model",
    ".h5": "a Keras model",
    ".onnx": "an ONNX file: it needs no conversion",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint on this machine."""

    folder: Path
    origin: str
    """A phrase that says where it comes from."""
    name: str
    """The name under which it would be served."""
    notices: tuple[str, ...] = ()


def find_checkpoint(source: str, *, offline: bool) -> Found:
    """Fetch a source. Raises Unsupported for anything but a transformers checkpoint, and what fetching raises."""
    path = Path(source)
    if path.is_file():
        what = _FILES.get(path.suffix, "a file")
        raise Unsupported(
            f"'{source}' is {what}; `naiad convert` needs a Hugging Face checkpoint: a folder with config.json and "
            "safetensors, hf://org/name, or pkg://module/path",
            source=source,
        )
    entry = ModelEntry.from_source(source, weights="safetensors")
    if isinstance(entry.source, FolderReference):
        folder = entry.source.path
        _check(folder, source)
        return Found(folder, f"a folder called {folder.name}", model_name(entry.source, folder))
    if isinstance(entry.source, PackageReference):
        folder = find_folder(entry.source)
        _check(folder, source)
        return Found(folder, str(entry.source), model_name(entry.source, folder))
    settings = FetchSettings(
        is_offline=offline, builder_knows=builder_knows, progress=progress_for(sys.stderr), lock_path=None
    )
    fetched = fetch(entry, settings)
    _check(fetched.folder, source)
    return Found(fetched.folder, fetched.origin, model_name(entry.source, fetched.folder), fetched.notices)


def _check(folder: Path, source: str) -> None:
    if (folder / "saved_model.pb").is_file():
        raise Unsupported(f"'{source}' is a TensorFlow SavedModel; `naiad convert` needs a Hugging Face checkpoint")
    if (folder / CONFIG_FILE).is_file():
        raise Unsupported(f"'{source}' is a Triton model, which needs no conversion: `naiad serve` serves it as it is")
    if any(folder.glob("*.gguf")) and not (folder / "config.json").is_file():
        raise Unsupported(
            f"'{source}' holds GGUF files; `naiad convert` needs a Hugging Face checkpoint in safetensors"
        )
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise InvalidConfiguration(f"'{source}' has no config.json: it is not a Hugging Face checkpoint", source=source)
