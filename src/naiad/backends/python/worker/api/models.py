"""Loading, unloading and asking for other models of the same server."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ..link import current


def load_model(model_name: str, config: str = "", files: Mapping[str, bytes] | None = None) -> None:
    """Load a model, or load it again; needs --model-control-mode explicit.

    config: JSON of a configuration in place of the file's. files: `file:1/model.onnx` → bytes, in place of the
    folder's. Raises TritonModelException.
    """
    sent = {name.removeprefix("file:"): base64.b64encode(data).decode("ascii") for name, data in (files or {}).items()}
    current().ask("load", name=str(model_name), config=config or None, files=sent)


def unload_model(model_name: str, unload_dependents: bool = False) -> None:
    """Unload a model. Raises TritonModelException."""
    current().ask("unload", name=str(model_name), dependents=bool(unload_dependents))


def is_model_ready(model_name: str, model_version: str = "") -> bool:
    """Whether a model can answer now."""
    return bool(current().ask("is_ready", name=str(model_name), version=str(model_version)))
