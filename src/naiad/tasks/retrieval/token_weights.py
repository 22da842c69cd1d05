"""Inference-free sparse queries: each word of a text has the weight that a table gives it.

The SparseStaticEmbedding of sentence-transformers, as one route of a Router; the other route is the model's.
"""

from __future__ import annotations

import numpy as np

from naiad.core.errors import Unsupported
from naiad.core.tensor import Array
from naiad.repository.checkpoint.token_weights import read_token_weights
from naiad.tasks.parts import TaskParts
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.tokenizer import Tokenizer

KIND = "SparseStaticEmbedding"


class TokenWeights:
    """A table of weights by token."""

    def __init__(self, tokenizer: Tokenizer, weights: Array) -> None:
        """weights: (vocabulary,) float32; tokens beyond it have none."""
        self._tokenizer = tokenizer
        self._weights = weights

    def look_up(self, texts: list[str]) -> tuple[list[tuple[Array, Array]], int]:
        """Tokens of each text, each once and ascending, with their weights; and how many texts were cut."""
        rows = self._tokenizer.bare_ids(texts)
        limit = self._tokenizer.max_tokens
        return [self._of(ids[:limit]) for ids in rows], sum(len(ids) > limit for ids in rows)

    def _of(self, ids: Array) -> tuple[Array, Array]:
        ids = np.unique(ids[ids < len(self._weights)])
        weights = self._weights[ids]
        return ids[weights != 0], weights[weights != 0]


def token_weights(parts: TaskParts) -> tuple[dict[str, TokenWeights | None], str]:
    """What stands in for the model, by route, None where the model itself does; and the default route.

    Without a router there are no routes. Raises Unsupported for a route that begins with another module.
    """
    routes = parts.checkpoint.routes
    if routes is None:
        return {}, ""
    found: dict[str, TokenWeights | None] = {}
    for route, modules in routes.modules.items():
        if [module.kind for module in modules] == [KIND]:
            tokenizer = load_tokenizer(modules[0].folder, parts.spec)
            found[route] = TokenWeights(tokenizer, read_token_weights(modules[0].folder, tokenizer.token_id))
        elif modules[0].folder == parts.checkpoint.body:
            found[route] = None
        else:
            names = ", ".join(module.type for module in modules)
            raise Unsupported(f"{parts.checkpoint.folder}: the route {route} of the router is not served: {names}")
    return found, routes.default
