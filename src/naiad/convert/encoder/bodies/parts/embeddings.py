"""The sum of embedding tables that bodies begin with. Not here: the norm behind it, which some have and some not."""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body, Inputs


def embed(body: Body, inputs: Inputs, *, positions: bool) -> str:
    """Words, types and the first task where there are any, positions from a table if so; (T, embedding size)."""
    graph, sizes = body.graph, body.sizes
    x = body.look_up(body.family.words, sizes.vocabulary, inputs.ids)
    if sizes.type_ids:
        types = body.look_up("embeddings.token_type_embeddings.weight", sizes.type_ids, inputs.type_ids)
        x = graph.op("Add", x, types)
    if body.config.flag("use_task_id"):
        name, rows = "embeddings.task_type_embeddings.weight", body.config.integer("task_type_vocab_size")
        first = graph.weight(name, lambda: body.weights.body(name, rows, sizes.embedding)[0])
        x = graph.op("Add", x, first)
    if positions:
        places = body.look_up("embeddings.position_embeddings.weight", sizes.positions, inputs.positions)
        x = graph.op("Add", x, places)
    return x
