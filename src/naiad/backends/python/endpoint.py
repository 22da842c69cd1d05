"""What a worker is told of an endpoint: see the worker's `endpoint/`."""

from __future__ import annotations

from typing import Any

from naiad.core.user_code.endpoint import Endpoint, Tensors


def endpoint_header(endpoint: Endpoint) -> dict[str, Any]:
    """Return the `endpoint` of a LOAD message."""
    return {
        "url": endpoint.url,
        "engine": endpoint.engine,
        "code": str(endpoint.code),
        "model": endpoint.model,
        "model_version": endpoint.model_version,
        "model_file": str(endpoint.model_file or ""),
        "input_name": list(endpoint.inputs.names),
        "input_type": list(endpoint.inputs.types),
        "output_name": list(endpoint.outputs.names),
        "statistics": {"log_freq": endpoint.log_freq, "variables": list(endpoint.variables)},
        "model_endpoint": {
            "engine_type": endpoint.engine,
            "serving_url": endpoint.name,
            "model_id": endpoint.model or (endpoint.model_file.name if endpoint.model_file else None),
            "version": str(endpoint.version) if endpoint.version else None,
            "preprocess_artifact": endpoint.code.name,
            **_attributes("input", endpoint.inputs),
            **_attributes("output", endpoint.outputs),
            "auxiliary_cfg": None,
        },
    }


def _attributes(side: str, tensors: Tensors) -> dict[str, Any]:
    return {
        f"{side}_size": [list(size) for size in tensors.sizes] or None,
        f"{side}_type": list(tensors.types) or None,
        f"{side}_name": list(tensors.names) or None,
    }
