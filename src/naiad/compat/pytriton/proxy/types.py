"""A request as a function gets it, where PyTriton has it."""

from naiad.functions.request import Request

Requests = list[Request]

__all__ = ["Request", "Requests"]
