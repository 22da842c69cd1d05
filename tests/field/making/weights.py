"""Random weights under which every part of a model shows: no layer dies out, none drowns the others.

Matrices are scaled by their inputs, so that a wide model behaves like a narrow one; norms and biases are random too,
because a forgotten bias shows only where it is not zero. MobileBERT's row for padding is zero, as it is before
training: where it is not, it tells the last word of a text otherwise beside a longer one, in transformers.
"""

from __future__ import annotations

from typing import Any


def randomize(model: Any, seed: int) -> None:
    """Fill every parameter of a torch model, in place."""
    import torch

    is_mobile = any(type(module).__name__ == "NoNorm" for module in model.modules())
    gain = 0.5 if is_mobile else 1.4
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre, scale = _spread(name, parameter, gain)
            parameter.normal_(centre, scale, generator=generator)
        for module in model.modules() if is_mobile else ():
            if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0


def _spread(name: str, parameter: Any, gain: float) -> tuple[float, float]:
    """Mean and deviation of one parameter's values. gain: of a matrix; less where no norm keeps states in bounds."""
    lower = name.lower()
    if parameter.dim() < 2:
        is_norm = lower.endswith(("weight", "gamma"))
        return (1.0, 0.2) if is_norm else (0.0, 0.2)
    if "relative_attention_bias" in lower:
        return 0.0, 1.0
    inputs: int = parameter.shape[1:].numel()
    return 0.0, gain / inputs**0.5
