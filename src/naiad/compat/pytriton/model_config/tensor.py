"""The declaration of a tensor, where PyTriton has it."""

from naiad.functions.declared import Tensor

__all__ = ["Tensor"]
