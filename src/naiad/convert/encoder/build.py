"""From a checkpoint folder to a packed graph on disk: reads, builds, and for int8 first observes.

The order of steps; the steps themselves are the other files of this folder.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from naiad.convert.encoder.bodies.choice import BODIES
from naiad.convert.encoder.bodies.parts.dense import Dense, Float32Dense
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import Dimensions, read_dimensions
from naiad.convert.encoder.fitting import check_sizes
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.heads.choice import add_head
from naiad.convert.encoder.quantize import Int8Dense, ObservingDense, has_fast_signed_products, random_tokens
from naiad.convert.encoder.sentence import excludes_prompt
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.convert.opening import Graph
from naiad.core.encoding.encoder import EncoderSpec, TextTokens
from naiad.core.encoding.pack import Pack
from naiad.core.tensor import Array
from naiad.repository.checkpoint import Checkpoint

PACK_TOKENS = 192
"""Where float32 packs are fast. MiniLM, one core, texts/s by tokens a pack: one text 89, 96: 113, 160: 113, 256: 113,
384: 114, 512: 112. ModernBERT-base: one text 7.8, 96: 10.2, 160: 10.4, 256: 10.4, 384: 11.4."""

PACK_LIMIT = 512
"""What may be measured to be better on another machine; a larger pack would only answer later."""

INT8_PACK_TOKENS = 96
"""int8: one text 161, 96: 193; ever less beyond 192."""

INT8_PACK_LIMIT = 128
"""Beyond, ONNX Runtime sums in parts whose borders would depend on what else is in the pack."""

WEIGHTS_PER_PAIR = 600
"""How many weights a product takes as long for as a head's attention for a pair of tokens: 0.018 against 11 ns, on a
core with AVX-512; the softmax is half of it."""

INT8_WEIGHTS_PER_PAIR = 1200
"""The same of weights in 8 bits."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be built, and what config.json says of it."""

    checkpoint: Checkpoint
    head: str
    config: Config
    sizes: Dimensions


def build(checkpoint: Checkpoint, head: str, quantize: str, graph: Path) -> EncoderSpec:
    """Write a graph to `graph` and its weights beside it, with `.data` added to the name.

    Raises Unsupported, InvalidConfiguration or LoadFailed.
    """
    config = Config(checkpoint.needed_config)
    order = _Order(checkpoint, head, config, read_dimensions(config))
    if quantize == "none":
        return _write(order, Float32Dense(), graph)
    return _write(order, Int8Dense(_observe(order), signed=has_fast_signed_products()), graph)


def _write(order: _Order, dense: Dense, path: Path) -> EncoderSpec:
    checkpoint, head, config, sizes = order.checkpoint, order.head, order.config, order.sizes
    kind = checkpoint.model_type
    graph = GraphBuilder(f"{kind}-{head}", path.with_name(path.name + ".data"))
    try:
        with Weights(weight_files(checkpoint.body)) as weights:
            weights.respell(config.family.respelled)
            weights.find_body(config.family.base, config.family.anchor or config.family.words)
            check_sizes(config, sizes, weights)
            body = BODIES[config.family.body](graph, weights, config, sizes, dense)
            outputs = add_head(body, head, checkpoint)
        graph.save(path)
    finally:
        graph.close()
    return EncoderSpec(
        architecture=kind,
        head=head,
        outputs=outputs,
        max_tokens=sizes.max_tokens,
        pad_token_id=sizes.pad_token_id,
        uses_type_ids=sizes.type_ids > 1,
        pack_tokens=INT8_PACK_TOKENS if dense.rounds else PACK_TOKENS,
        pack_limit=INT8_PACK_LIMIT if dense.rounds else PACK_LIMIT,
        filled_limit=INT8_PACK_LIMIT if dense.rounds else 0,
        pairs_per_token=_pairs_per_token(sizes, is_gated=body.gated, rounds=dense.rounds),
        vocabulary=sizes.vocabulary,
        type_vocabulary=sizes.type_ids,
        position_offset=sizes.position_offset,
        needed_token=body.summary_token if head == "sequence-classification" else None,
        excludes_prompt=head == "embedding" and excludes_prompt(checkpoint),
    )


def _pairs_per_token(sizes: Dimensions, *, is_gated: bool, rounds: bool) -> int:
    """For how many pairs of tokens a layer's attention takes as long as its products for one token; roughly."""
    products = 4 * sizes.hidden * sizes.attention + (2 + is_gated) * sizes.hidden * sizes.intermediate
    return max(1, products // (sizes.heads * (INT8_WEIGHTS_PER_PAIR if rounds else WEIGHTS_PER_PAIR)))


def _observe(order: _Order) -> dict[str, Array]:
    """How far each channel of each quantised product's input reaches, by running the float32 graph."""
    dense = ObservingDense()
    with tempfile.TemporaryDirectory(prefix="naiad-") as folder:
        graph = Path(folder) / "observed.onnx"
        spec = _write(order, dense, graph)
        opened = Graph(graph)
        texts = random_tokens(order.sizes.vocabulary, spec.max_tokens)
        pack = Pack([TextTokens(ids, ()) for ids in texts], spec, opened.types)
        reaches = opened.run(pack.feeds(), list(dense.peaks))
    peaks: dict[str, Array] = {}
    for output, module in dense.peaks.items():
        peaks[module] = np.maximum(peaks.get(module, 0), reaches[output])
    return peaks
