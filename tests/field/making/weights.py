"""Random weights under which every part of a model shows: no layer dies out, none drowns the others.

Matrices are scaled by their inputs, so that a wide model behaves like a narrow one; norms and biases are random too,
because a forgotten bias shows only where it is not zero.
"""

from __future__ import annotations

from typing import Any


def randomize(model: Any, seed: int) -> None:
    """Fill every parameter of a torch model, in place."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre, scale = _spread(name, parameter)
            parameter.normal_(centre, scale, generator=generator)


def _spread(name: str, parameter: Any) -> tuple[float, float]:
    """Mean and deviation of one parameter's values."""
    lower = name.lower()
    if parameter.dim() < 2:
        is_norm = lower.endswith(("weight", "gamma"))
        return (1.0, 0.2) if is_norm else (0.0, 0.2)
    if "relative_attention_bias" in lower:
        return 0.0, 1.0
    inputs: int = parameter.shape[1:].numel()
    return 0.0, 1.4 / inputs**0.5
