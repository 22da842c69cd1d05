"""What is known of a model, where PyTriton has it."""

from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.functions.declared import Tensor as TensorSpec

__all__ = ["TensorSpec", "TritonModelConfig"]
