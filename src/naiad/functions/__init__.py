"""Floor 1: Python functions as models.

`declared.py` says what goes in and out, `decorators/` how a function takes it, `calling/` runs it, and `binding.py`
gives it a model's name.
"""

from naiad.functions.binding import Binding, Bindings
from naiad.functions.context import FunctionModel, current_model
from naiad.functions.declared import Tensor
from naiad.functions.decorators.batching import batch, sample
from naiad.functions.decorators.grouping import ConstantPadder, group_by_keys, group_by_values
from naiad.functions.decorators.padding import pad_batch
from naiad.functions.decorators.values import fill_optionals, first_value
from naiad.functions.request import Request

__all__ = [
    "Binding",
    "Bindings",
    "ConstantPadder",
    "FunctionModel",
    "Request",
    "Tensor",
    "batch",
    "current_model",
    "fill_optionals",
    "first_value",
    "group_by_keys",
    "group_by_values",
    "pad_batch",
    "sample",
]
