"""Static embeddings: no encoder at all, a text's vector is the mean of its tokens' rows in a table.

Two libraries write such folders: sentence-transformers (`StaticEmbedding`) and model2vec, whose table may come with a
weight for each token and a mapping that lets tokens share rows; both are folded into one row a token here, as
sentence-transformers does. The last row is zero: what a text without tokens is given.
Not here: how texts become tokens (`naiad.tasks.text.static`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naiad.convert.encoder.bodies.body import Inputs
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.heads.embedding import Values
from naiad.convert.encoder.sentence import SENTENCE, Normalize, Pooling, Step, read_step
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.core.encoding.encoder import STATIC, EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array
from naiad.repository.checkpoint import MODEL2VEC, Checkpoint

PACK_TOKENS = 1024
"""There is no attention whose cost would grow with a pack."""

MAX_TOKENS = 2**17
"""Neither library has a limit of its own that all models share; this one bounds the memory of one text."""


def build_static(checkpoint: Checkpoint, path: Path) -> EncoderSpec:
    """Write the graph to `path` and the table beside it. Raises LoadFailed, Unsupported."""
    with Weights(weight_files(checkpoint.body)) as weights:
        table = _table(weights, checkpoint.body)
    graph = GraphBuilder(STATIC, path.with_name(path.name + ".data"))
    try:
        inputs = Inputs(
            ids=graph.input("input_ids", ("tokens",)),
            positions="",
            segments=graph.input("segments", ("tokens",)),
            starts=graph.input("starts", ("texts",)),
            type_ids="",
            rows="",
        )
        rows = graph.op("Gather", graph.weight("table", lambda: table), inputs.ids, axis=0)
        values = Values(graph, inputs, checkpoint.folder, rows, table.shape[1])
        values.follow([Pooling(("mean",)), *_steps(checkpoint)])
        vector, width = values.get(SENTENCE, "the end")
        graph.output("embedding", vector, ("texts", width))
        graph.save(path)
    finally:
        graph.close()
    return EncoderSpec(
        architecture=STATIC,
        head="embedding",
        outputs=(EncoderOutput("embedding", "item", width),),
        max_tokens=MAX_TOKENS,
        vocabulary=len(table),
        pack_tokens=PACK_TOKENS,
    )


def _steps(checkpoint: Checkpoint) -> list[Step]:
    """What follows the mean; model2vec's own flag counts where modules.json does not say the same."""
    steps = [step for module in checkpoint.modules[1:] for step in read_step(module)]
    if checkpoint.table_writer == MODEL2VEC and checkpoint.config.get("normalize"):
        return steps if Normalize() in steps else [*steps, Normalize()]
    return steps


def _table(weights: Weights, folder: Path) -> Array:
    """(tokens + 1, width) float32."""
    name = next((name for name in ("embedding.weight", "embeddings") if weights.find(name)), None)
    if name is None:
        raise LoadFailed(f"{folder}: model.safetensors has neither embedding.weight nor embeddings", path=str(folder))
    rows = weights.stored(name)
    if rows.ndim != 2 or not rows.size:
        raise LoadFailed(f"{folder}: {name} has shape {rows.shape}, (tokens, width) is expected", path=str(folder))
    if weights.find("mapping"):
        mapping = weights.stored("mapping")
        if mapping.ndim != 1 or mapping.dtype.kind not in "iu" or mapping.min() < 0 or mapping.max() >= len(rows):
            raise LoadFailed(f"{folder}: mapping must be one row of {name} for each token", path=str(folder))
        rows = rows[mapping]
    rows = rows.astype(np.float32)
    if weights.find("weights"):
        rows *= weights.get("weights", len(rows))[:, None]
    return np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)])
