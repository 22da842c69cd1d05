"""What a model takes, gives and needs, by PyTriton's names."""

from naiad.compat.pytriton.model_config.common import DeviceKind, DynamicBatcher, QueuePolicy, TimeoutAction
from naiad.compat.pytriton.model_config.model_config import ModelConfig
from naiad.functions.declared import Tensor

__all__ = ["DeviceKind", "DynamicBatcher", "ModelConfig", "QueuePolicy", "Tensor", "TimeoutAction"]
