"""What the folder of a model says before the model is opened: its backend, its file, which versions are served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig.schema import Document
from naiad.modelconfig.syntax import parse_json

FILE_BACKENDS = {
    "model.onnx": "onnxruntime",
    "model.py": "python",
    "model.pt": "pytorch",
    "model.pt2": "torch_aoti",
    "model.xml": "openvino",
    "model.plan": "tensorrt",
    "model.savedmodel": "tensorflow",
    "model.graphdef": "tensorflow",
}
PLATFORM_BACKENDS = {
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
    "tensorrt_plan": "tensorrt",
    "openvino": "openvino",
}
BACKEND_PLATFORMS = {"onnxruntime": "onnxruntime_onnx", "pytorch": "pytorch_libtorch", "tensorrt": "tensorrt_plan"}
OF_PLATFORMS = frozenset(BACKEND_PLATFORMS) | {"tensorflow"}
"""Backends that may be named together with a platform of theirs only, as in Triton."""
DEFAULT_MODEL_FILENAMES = {
    "onnxruntime": "model.onnx",
    "python": "model.py",
    "pytorch": "model.pt",
    "torch_aoti": "model.pt2",
    "openvino": "model.xml",
    "tensorrt": "model.plan",
    "tensorflow": "model.savedmodel",
}
ENSEMBLE = "ensemble"


def prepare(document: Mapping[str, Any], model_name: str, files: Iterable[str] = ()) -> Document:
    """Fill in name, backend, platform, file name and version policy; the given document is not changed.

    model_name: the name of the model's folder. files: names in the folder of its highest version. Raises
    InvalidConfiguration when the names disagree or nothing tells the backend.
    """
    prepared = parse_json(document, f"model '{model_name}'")
    name = prepared["name"] or model_name
    if name != model_name:
        raise InvalidConfiguration(
            f"unexpected directory name '{model_name}' for model '{name}', directory name must equal model name; "
            "leave the name out of the configuration, or rename the folder",
            model=model_name,
        )
    prepared["name"] = name
    prepared.setdefault("version_policy", {"latest": {"num_versions": 1}})
    if "ensemble_scheduling" in prepared or prepared["platform"] == ENSEMBLE:
        prepared["platform"] = prepared["platform"] or ("" if prepared["backend"] else ENSEMBLE)
        return prepared
    return _with_backend(prepared, set(files))


def _with_backend(document: Document, files: set[str]) -> Document:
    name = document["name"]
    backend = document.get("backend") or infer_backend(document, files)
    document["backend"] = backend
    if not document.get("default_model_filename"):
        document["default_model_filename"] = _default_filename(name, backend, files)
    if not document.get("platform"):
        document["platform"] = BACKEND_PLATFORMS.get(backend, "")
    elif backend in OF_PLATFORMS and PLATFORM_BACKENDS.get(document["platform"]) != backend:
        raise InvalidConfiguration(
            f"unexpected 'platform' and 'backend' pair, got:{document['platform']}, {backend}; leave one out",
            model=name,
        )
    return document


def infer_backend(document: Mapping[str, Any], files: Iterable[str] = ()) -> str:
    """Find the backend from platform, file names or a model name `x.<backend>`. Raises InvalidConfiguration."""
    name, platform = document.get("name", ""), document.get("platform", "")
    if platform:
        if platform not in PLATFORM_BACKENDS:
            raise InvalidConfiguration(
                f"unexpected platform type '{platform}' for {name}; known: "
                f"{', '.join(sorted([*PLATFORM_BACKENDS, ENSEMBLE]))}; or set 'backend' instead",
                model=name,
            )
        return PLATFORM_BACKENDS[platform]
    given = document.get("default_model_filename", "")
    for file in [given] if given else sorted(files):
        if file in FILE_BACKENDS:
            return FILE_BACKENDS[file]
    if given.endswith(".onnx"):
        return "onnxruntime"
    if given:
        raise InvalidConfiguration(
            f"unexpected platform type '' for {name}; '{given}' is the file of no known backend, so set 'backend'",
            model=name,
        )
    _, dot, suffix = name.rpartition(".")
    if dot and re.fullmatch(r"\w+", suffix):
        return str(suffix)
    raise InvalidConfiguration(
        f"Invalid model name: Could not determine backend for model '{name}' with no backend in model configuration. "
        "Expected model name of the form 'model.<backend_name>'.",
        model=name,
    )


def _default_filename(model_name: str, backend: str, files: set[str]) -> str:
    """The backend's file; of two possible ones (TensorFlow) the one that is there."""
    for file in sorted(files):
        if FILE_BACKENDS.get(file) == backend:
            return file
    if backend in DEFAULT_MODEL_FILENAMES:
        return DEFAULT_MODEL_FILENAMES[backend]
    return f"model.{backend}" if model_name.endswith(f".{backend}") else ""


def choose_versions(policy: Mapping[str, Any] | None, available: Iterable[int], model_name: str = "") -> list[int]:
    """Which versions are served, ascending; None is the default policy, the largest number alone.

    Raises InvalidConfiguration when that leaves none. Versions that a `specific` policy names beside existing ones
    and that do not exist are left out, as Triton does.
    """
    present = sorted(set(available))
    policy = policy or {"latest": {"num_versions": 1}}
    chosen = present
    if "latest" in policy:
        count = int(policy["latest"].get("num_versions", 0))
        chosen = present[-count:] if count > 0 else []
    elif "specific" in policy:
        wanted = {int(version) for version in policy["specific"].get("versions", [])}
        chosen = [version for version in present if version in wanted]
    if not chosen:
        raise InvalidConfiguration(
            f"at least one version must be available under the version policy of model '{model_name}': "
            f"the policy is {dict(policy)}, the folder has versions {present}",
            model=model_name,
        )
    return chosen
