"""The module that model code imports by this name; the worker also answers to `c_python_backend_utils`."""

from __future__ import annotations

from .answering import FINAL as TRITONSERVER_RESPONSE_COMPLETE_FINAL
from .api.calls import ResponseIterator
from .api.config import ModelConfig
from .api.errors import TritonError, TritonModelException
from .api.functions import (
    TRITON_STRING_TO_NUMPY,
    deserialize_bytes_tensor,
    get_input_config_by_name,
    get_input_tensor_by_name,
    get_model_dir,
    get_output_config_by_name,
    get_output_tensor_by_name,
    numpy_to_triton_type,
    serialize_byte_tensor,
    triton_string_to_numpy,
    triton_to_numpy_type,
    using_decoupled_model_transaction_policy,
)
from .api.logger import Logger
from .api.metrics import Metric, MetricFamily
from .api.models import is_model_ready, load_model, unload_model
from .api.request import (
    MEMORY_CPU as TRITONSERVER_MEMORY_CPU,
)
from .api.request import (
    MEMORY_GPU as TRITONSERVER_MEMORY_GPU,
)
from .api.request import (
    RELEASE_ALL as TRITONSERVER_REQUEST_RELEASE_ALL,
)
from .api.request import (
    RELEASE_RESCHEDULE as TRITONSERVER_REQUEST_RELEASE_RESCHEDULE,
)
from .api.request import (
    SEQUENCE_END as TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
)
from .api.request import (
    SEQUENCE_START as TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
)
from .api.request import InferenceRequest, InferenceTrace, PreferredMemory
from .api.response import InferenceResponse
from .api.sender import InferenceResponseSender
from .api.tensor import Tensor

__all__ = [
    "TRITONSERVER_MEMORY_CPU",
    "TRITONSERVER_MEMORY_GPU",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START",
    "TRITONSERVER_REQUEST_RELEASE_ALL",
    "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE",
    "TRITONSERVER_RESPONSE_COMPLETE_FINAL",
    "TRITON_STRING_TO_NUMPY",
    "InferenceRequest",
    "InferenceResponse",
    "InferenceResponseSender",
    "InferenceTrace",
    "Logger",
    "Metric",
    "MetricFamily",
    "ModelConfig",
    "PreferredMemory",
    "ResponseIterator",
    "Tensor",
    "TritonError",
    "TritonModelException",
    "deserialize_bytes_tensor",
    "get_input_config_by_name",
    "get_input_tensor_by_name",
    "get_model_dir",
    "get_output_config_by_name",
    "get_output_tensor_by_name",
    "is_model_ready",
    "load_model",
    "numpy_to_triton_type",
    "serialize_byte_tensor",
    "triton_string_to_numpy",
    "triton_to_numpy_type",
    "unload_model",
    "using_decoupled_model_transaction_policy",
]
