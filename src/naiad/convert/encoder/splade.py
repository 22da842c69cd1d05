"""How a sparse encoder's folder turns masked-language logits into weights of words: SpladePooling's options."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.convert.encoder.sentence import unknown_module
from naiad.core.errors import Unsupported
from naiad.repository.checkpoint import CONFIG, Checkpoint, read_object


@dataclass(frozen=True, slots=True)
class Splade:
    """Masked-language logits to one weight for each word of the vocabulary."""

    strategy: str = "max"
    """Over the tokens: max or sum."""
    dampings: int = 1
    """How often log(1 + x) is taken, after relu."""


def read_splade(checkpoint: Checkpoint) -> Splade:
    """How a sparse encoder pools; as SPLADE does by default, where there is no modules.json.

    Behind a router, it is the route of the documents that counts. Raises Unsupported for modules and options that are
    not computed.
    """
    routes, modules = checkpoint.routes, checkpoint.modules
    if routes is not None:
        if modules[1:] or "document" not in routes.modules:
            raise unknown_module(modules[-1])
        modules = routes.modules["document"]
    if not modules:
        return Splade()
    first, *rest = modules
    if first.kind not in ("Transformer", "MLMTransformer") or [module.kind for module in rest] != ["SpladePooling"]:
        raise unknown_module(next((module for module in rest if module.kind != "SpladePooling"), first))
    path = rest[0].folder / CONFIG
    content = read_object(path)
    strategy, activation = content.get("pooling_strategy", "max"), content.get("activation_function", "relu")
    dampings = {"relu": 1, "log1p_relu": 2}.get(str(activation))
    if strategy not in ("max", "sum") or dampings is None:
        raise Unsupported(
            f"{path}: pooling_strategy {strategy!r} with activation_function {activation!r} is not known; known: max "
            "and sum, relu and log1p_relu"
        )
    return Splade(strategy, dampings)
