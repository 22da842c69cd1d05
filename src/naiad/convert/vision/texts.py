"""The graph of the text encoder that belongs to an image encoder: CLIP's and SigLIP's.

Packed as the text encoders of `convert/encoder` are, so that the same runtime runs it: no padding, positions that
restart with each text. CLIP looks backwards only and takes the state of the end token; SigLIP looks both ways, over
padding too, and takes the state of the last token, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.convert.vision.families import CLIP_NAMES, section_of
from naiad.convert.vision.layers import Layers, Parts, attend_in_pack, pack_bias
from naiad.convert.vision.sizes import Options, read_layer_sizes
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed, Unsupported

HEAD = "text-embedding"

PACK_TOKENS = 160
"""The same as for other text encoders in float32."""


@dataclass(frozen=True, slots=True)
class TextFamily:
    """What the two families do differently."""

    defaults: Mapping[str, Any]
    is_causal: bool
    projection: str
    """Module from the pooled state to the embedding, named in full."""
    attends_padding: bool
    scales: tuple[str, ...]
    """Weights of the similarity: the logarithm of its scale, then its bias."""


_DEFAULTS = {"num_hidden_layers": 12, "layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"}

TEXT_FAMILIES = {
    "clip": TextFamily(
        {
            **_DEFAULTS,
            "vocab_size": 49408,
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_attention_heads": 8,
            "max_position_embeddings": 77,
            "eos_token_id": 49407,
        },
        is_causal=True,
        projection="text_projection",
        attends_padding=False,
        scales=("logit_scale",),
    ),
    "siglip": TextFamily(
        {
            "vocab_size": 32000,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 64,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
        },
        is_causal=False,
        projection="text_model.head",
        attends_padding=True,
        scales=("logit_scale", "logit_bias"),
    ),
}
"""`model_type` of a config.json that describes an image encoder and a text encoder."""

_LEGACY_END = 2
"""CLIP's first config.json files give this as eos_token_id; transformers then takes a text's highest id instead."""


def build_text_encoder(folder: Path, config: Mapping[str, Any], path: Path) -> EncoderSpec:
    """Write a graph to `path`, and its weights beside it with `.data` added. See convert_text_encoder."""
    family = TEXT_FAMILIES[str(config["model_type"])]
    options = Options(section_of(config, "text_config"), family.defaults)
    graph = GraphBuilder(f"{config['model_type']}-{HEAD}", path.with_name(path.name + ".data"))
    try:
        with Weights(weight_files(folder)) as weights:
            weights.find_body("text_model", "embeddings.token_embedding.weight")
            made = _TextGraph(graph, weights, family, options)
            outputs = made.build()
            scale, bias = _similarity(weights, family)
        graph.save(path)
    finally:
        graph.close()
    return EncoderSpec(
        architecture=str(config["model_type"]),
        head=HEAD,
        outputs=outputs,
        max_tokens=options.integer("max_position_embeddings"),
        vocabulary=options.integer("vocab_size"),
        pack_tokens=PACK_TOKENS,
        attends_padding=family.attends_padding,
        similarity_scale=scale,
        similarity_bias=bias,
    )


def _similarity(weights: Weights, family: TextFamily) -> tuple[float, float]:
    """What cosines of images and texts are multiplied by, and what is added then."""
    values = [0.0, 0.0]
    for at, name in enumerate(family.scales):
        found = np.asarray(weights.get(name, *weights.shape(name))).reshape(-1)
        if found.size != 1:
            raise LoadFailed(f"the weight {name} has {found.size} values, not one", weight=name)
        values[at] = float(found[0])
    return float(np.exp(values[0])), values[1]


class _TextGraph:
    """Adds one text encoder to a graph."""

    def __init__(self, graph: GraphBuilder, weights: Weights, family: TextFamily, options: Options) -> None:
        self._graph = graph
        self._weights = weights
        self._family = family
        self._options = options
        self._sizes = read_layer_sizes(options)
        self._parts = Parts(graph, weights, self._sizes)

    def build(self) -> tuple[EncoderOutput, ...]:
        """Everything from the inputs to the outputs."""
        graph, hidden = self._graph, self._sizes.hidden
        ids = graph.input("input_ids", ("tokens",))
        positions = graph.input("positions", ("tokens",))
        segments = graph.input("segments", ("tokens",))
        starts = graph.input("starts", ("texts",))
        words = self._table("embeddings.token_embedding.weight", "vocab_size")
        places = self._table("embeddings.position_embedding.weight", "max_position_embeddings")
        x = graph.op("Add", graph.op("Gather", words, ids), graph.op("Gather", places, positions))
        bias = pack_bias(graph, segments, positions, is_causal=self._family.is_causal)

        def attend(query: str, key: str, value: str, _prefix: str) -> str:
            return attend_in_pack(self._parts, query, key, value, bias)

        x = Layers(self._parts, CLIP_NAMES, "encoder.layers.{layer}", attend)(x)
        x = self._parts.norm(x, f"{self._weights.prefix}final_layer_norm")
        graph.output("last_hidden_state", x, ("tokens", hidden))
        pooled = graph.op("Gather", x, self._ends(ids, segments, starts), axis=0)
        width = self._weights.shape(f"{self._family.projection}.weight")[0]
        graph.output("embedding", self._parts.dense(pooled, self._family.projection, width, hidden), ("texts", width))
        return EncoderOutput("embedding", "item", width), EncoderOutput("last_hidden_state", "token", hidden)

    def _table(self, name: str, rows: str) -> str:
        full, count = self._weights.prefix + name, self._options.integer(rows)
        return self._graph.weight(full, lambda: self._weights.get(full, count, self._sizes.hidden))

    def _ends(self, ids: str, segments: str, starts: str) -> str:
        """(texts,) the token whose state stands for each text."""
        graph = self._graph
        down = graph.op("Unsqueeze", graph.numbers(starts), graph.ints(1))
        inside = graph.op("Equal", down, graph.op("Unsqueeze", segments, graph.ints(0)))
        if not self._family.is_causal:
            return graph.op("ArgMax", graph.op("Cast", inside, to=graph.FLOAT), axis=1, keepdims=0, select_last_index=1)
        end = self._options.value("eos_token_id")
        if isinstance(end, bool) or not isinstance(end, int):
            raise Unsupported(f"config.json: eos_token_id is {end!r}; one number is needed to find the end of a text")
        marks = ids if end == _LEGACY_END else graph.op("Equal", ids, graph.integer(end))
        weight = graph.op("Add", graph.op("Cast", marks, to=graph.FLOAT), graph.number(1.0))
        return graph.op("ArgMax", graph.op("Where", inside, weight, graph.number(0.0)), axis=1, keepdims=0)
