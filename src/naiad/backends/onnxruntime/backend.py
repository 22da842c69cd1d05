"""The backend of ONNX Runtime: which file to open, how often, and for which kind of instance.

Tensor models run in `tensors.py`, encoders in `encoders/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.data_files import opened_apart
from naiad.backends.onnxruntime.encoders.opening import inspect_encoder, load_encoder
from naiad.backends.onnxruntime.gpu import has_cuda
from naiad.backends.onnxruntime.loaded import LoadedModel, model_path
from naiad.backends.onnxruntime.options import SessionSettings
from naiad.backends.onnxruntime.session import bytes_beside, open_session, runtime
from naiad.backends.onnxruntime.signature import complete_document, read_ports, read_signature
from naiad.backends.onnxruntime.tensors import OnnxRuntimeInstance
from naiad.core.contracts import Instances, LoadRequest, TensorFiles
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Ports
from naiad.core.machine.cores import available_cores

LIGHT_BYTES = 64 << 10
"""A model whose files are smaller gets no wide instance: a row makes at most some 16,000 products of its weights, which
one core does in less time than it takes to wake another."""


class OnnxRuntimeBackend:
    """Opens tensor models, and graphs of encoders."""

    name = "onnxruntime"

    @property
    def has_gpus(self) -> bool:
        """See RunsOnGpus."""
        return has_cuda()

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:
        """Fill in inputs, outputs and batching from the graph. Raises LoadFailed.

        Opens the model only if inputs or outputs are missing, and then without optimising it.
        """
        if config.get("input") and config.get("output"):
            return dict(config)
        session = _open_to_look(version_dir, config.get("default_model_filename", ""))
        return complete_document(config, read_signature(session), settings)

    def inspect(self, request: LoadRequest) -> Ports:
        """See Backend. A tensor model is opened without optimising it; for encoders see `encoders/opening.py`."""
        if isinstance(request.model, EncoderFiles):
            return inspect_encoder(request.model, request)
        files = request.tensors
        return read_ports(_open_to_look(files.version_dir, files.config.default_model_filename))

    def load(self, request: LoadRequest) -> Instances[Any]:
        """Load the instances of one version; the narrow ones share a session, on each GPU one. Raises LoadFailed.

        The wide one of a tensor model has a session and a copy of the weights of its own. That is worth it where a run
        is long enough to be shared among cores, and nobody has said how many threads to use (`intra_op_thread_count`)
        or how many instances (`LoadRequest.wide_threads`): who asks for one copy gets one. For encoders see
        `encoders/opening.py`.
        """
        if not isinstance(request.model, TensorFiles):
            return load_encoder(request.model, request)
        files = request.model
        settings = SessionSettings.of(request)
        path = model_path(files.version_dir, files.config.default_model_filename)
        gpus = [group.gpu for group in files.config.instance_groups if not group.is_passive for _ in range(group.count)]
        with opened_apart(path) as apart:
            if any(gpu is not None for gpu in gpus):
                models = {gpu: LoadedModel(files, apart, settings, gpu) for gpu in dict.fromkeys(gpus)}
                return Instances(tuple(OnnxRuntimeInstance(models[gpu]) for gpu in gpus), names=request.names)
            model = LoadedModel(files, apart, settings)
            wide = SessionSettings.of(replace(request, threads=request.wide_threads or available_cores()))
            has_wide = wide.threads > 1 and wide != settings and bytes_beside(path) >= LIGHT_BYTES
            return Instances(
                tuple(OnnxRuntimeInstance(model) for _ in request.names),
                OnnxRuntimeInstance(LoadedModel(files, apart, wide)) if has_wide else None,
                may_inline=True,
                names=request.names,
            )


def _open_to_look(version_dir: Path, filename: str) -> Any:
    def without_optimisation(options: Any) -> None:
        options.graph_optimization_level = runtime().GraphOptimizationLevel.ORT_DISABLE_ALL

    return open_session(model_path(version_dir, filename), configure=without_optimisation)
