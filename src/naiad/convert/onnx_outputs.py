"""Which output of an exported encoder means what: by the names that exporters give, by rank and by width.

Never by place: what is not told by its name or by being the only one of its shape is refused with the list of all, and
`output:` of the manifest chooses. Not here: config.json (`onnx_file.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naiad.core.encoding.encoder import EncoderOutput
from naiad.core.encoding.ports import Dims
from naiad.core.errors import LoadFailed, Unsupported

SENTENCE = ("sentence_embedding", "sentence_embeddings", "dense_vecs", "dense_embedding", "dense_embeddings")
"""A finished vector for each text: (batch, width)."""

TOKENS = ("last_hidden_state", "token_embeddings", "last_hidden_states", "encoder_last_hidden_state",
          "sequence_output", "hidden_states")  # fmt: skip
"""A state for each token, before pooling: (batch, tokens, width)."""

EITHER = ("text_embeds", "text_embeddings", "text_embedding", "embeddings", "embedding", "embeds")
"""Names under which one exporter gives the one and another the other: the rank tells."""

TOKEN_VECTORS = ("colbert_vecs", "colbert_embeddings", "multi_vector", "multi_vectors")
"""A finished vector for each token, for late interaction (BGE-M3)."""

SPARSE = ("sparse_vecs", "sparse_embedding", "sparse_embeddings", "sparse_weights", "lexical_weights")
"""A weight for each token, or for each word of the vocabulary."""

POOLER = ("pooler_output", "pooled_output")
"""BERT's dense layer over the first token: what no pooling of sentence-transformers computes."""

LOGITS = ("logits", "prediction_logits", "output_logits")
STARTS = ("start_logits", "output_start_logits")
ENDS = ("end_logits", "output_end_logits")

OTHERS = re.compile(r"(hidden_states|attentions?|cross_attentions|present|past_key_values)[._].+|attentions|"
                    r"seq_relationship_logits|probabilities|probs|scores|labels?")  # fmt: skip
"""Outputs that are known and are none of these."""

UNREAD = frozenset({"sparse-embedding", "late-interaction"})
"""Heads whose vectors are made in graphs of our own builder only."""

NAMED = {*SENTENCE, *TOKENS, *EITHER, *TOKEN_VECTORS, *SPARSE, *POOLER, *LOGITS, *STARTS, *ENDS}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What config.json and modules.json say of widths; 0 = nothing."""

    hidden: int = 0
    labels: int = 0
    vocabulary: int = 0
    has_modules: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """Our outputs and where they come from."""

    outputs: tuple[EncoderOutput, ...]
    sources: Mapping[str, tuple[str, ...]]
    is_ready: bool = False
    """The embedding needs no pooling."""


def choose_outputs(outputs: Mapping[str, Dims], head: str, sizes: Sizes, wanted: str = "") -> Chosen:
    """Decide for a head. wanted: the graph's output that the manifest names.

    Raises LoadFailed with the list, Unsupported for heads that only safetensors are served with.
    """
    table = _Table(outputs, wanted)
    if head in UNREAD:
        raise Unsupported(
            f"the task {head} is not served from an ONNX file: what makes its vectors of the file's outputs is not in "
            "it. Serve the safetensors (`weights: safetensors`)",
            task=head,
        )
    if head == "embedding":
        return _embedding(table, sizes)
    if head == "question-answering" and not wanted:
        start, end = table.named(STARTS, 2), table.named(ENDS, 2)
        if start and end:
            return Chosen((EncoderOutput("logits", "token", 2),), {"logits": (start, end)})
    return _logits(table, head, sizes)


class _Table:
    """A graph's outputs, to be asked by names and shape."""

    def __init__(self, outputs: Mapping[str, Dims], wanted: str) -> None:
        self.outputs = outputs
        self.wanted = wanted
        self._by_plain = {name.removesuffix(":0").lower(): name for name in outputs}
        if wanted and wanted not in outputs:
            raise LoadFailed(f"output: the ONNX file has no output '{wanted}'; there are {self.listing}")

    @property
    def listing(self) -> str:
        """Every output with its shape, for messages."""
        return ", ".join(
            f"{name} ({', '.join(map(str, dims))})" if dims else f"{name} (shape unknown)"
            for name, dims in self.outputs.items()
        )

    def named(self, names: Sequence[str], rank: int) -> str:
        """The first of these names that is there with this rank, or with a shape that the file does not say."""
        found = (self._by_plain[name] for name in names if name in self._by_plain)
        return next((name for name in found if len(self.outputs[name]) in (0, rank)), "")

    def unnamed(self, rank: int, width: int) -> list[str]:
        """Outputs of this rank whose names say nothing; of several only those that are as wide as they should be."""
        found = [
            name
            for plain, name in self._by_plain.items()
            if len(self.outputs[name]) == rank and plain not in NAMED and not OTHERS.fullmatch(plain)
        ]
        if len(found) == 1 and not (width and isinstance(self.outputs[found[0]][-1], int)):
            return found
        return [name for name in found if width and self.outputs[name][-1] == width]

    def width(self, name: str, otherwise: int) -> int:
        """Size of the last axis. Raises LoadFailed where nobody says it."""
        dims = self.outputs[name]
        last = dims[-1] if dims else None
        width = last if isinstance(last, int) else otherwise
        if width < 1:
            raise LoadFailed(f"neither the ONNX file nor config.json says how wide the output {name} is")
        return width

    def refuse(self, what: str) -> LoadFailed:
        """The error that lists everything."""
        return LoadFailed(
            f"the ONNX file's outputs are {self.listing}; {what}. Choose one with `output: NAME` in naiad.yaml, or "
            "serve the safetensors or another ONNX file with `weights:`"
        )


def _embedding(table: _Table, sizes: Sizes) -> Chosen:
    sentence, tokens = _sentence_and_tokens(table, sizes)
    source = sentence or tokens
    outputs = [EncoderOutput("embedding", "item", table.width(source, sizes.hidden))]
    sources: dict[str, tuple[str, ...]] = {"embedding": (source,)}
    if tokens:
        outputs.append(EncoderOutput("last_hidden_state", "token", table.width(tokens, sizes.hidden)))
        sources["last_hidden_state"] = (tokens,)
    for output, source in _further(table, sizes):
        outputs.append(output)
        sources[output.name] = (source,)
    return Chosen(tuple(outputs), sources, is_ready=bool(sentence))


def _sentence_and_tokens(table: _Table, sizes: Sizes) -> tuple[str, str]:
    """The output with finished vectors and the one with token states; either may be empty, but not both."""
    tokens = table.named(TOKENS, 3) or table.named(EITHER, 3) or _only(table.unnamed(3, sizes.hidden))
    if table.wanted:
        rank = len(table.outputs[table.wanted])
        if rank not in (2, 3):
            raise table.refuse(
                f"{table.wanted} is of rank {rank}, an embedding is of rank 2, token states are of rank 3"
            )
        return (table.wanted, tokens) if rank == 2 else ("", table.wanted)
    sentence = table.named(SENTENCE, 2) or _only([name for name in EITHER if table.named((name,), 2)], table)
    if sentence or tokens:
        return sentence, tokens
    sentence = _only(table.unnamed(2, sizes.hidden))
    if sentence:
        return sentence, ""
    pooler = table.named(POOLER, 2)
    if pooler and not sizes.has_modules:
        return pooler, ""
    if pooler:
        raise table.refuse(
            f"modules.json pools token states, which the file does not give, and {pooler} is something else"
        )
    raise table.refuse("none of them is an embedding for certain")


def _further(table: _Table, sizes: Sizes) -> list[tuple[EncoderOutput, str]]:
    """What the file gives besides the embedding: sparse weights, vectors for late interaction."""
    found = []
    if vectors := table.named(TOKEN_VECTORS, 3):
        found.append((EncoderOutput("colbert_vecs", "token", table.width(vectors, sizes.hidden)), vectors))
    if weights := table.named(SPARSE, 3):
        found.append((EncoderOutput("sparse_vecs", "token", table.width(weights, 1)), weights))
    elif weights := table.named(SPARSE, 2):
        is_vocabulary = sizes.vocabulary and table.outputs[weights][-1] == sizes.vocabulary
        kind, width = ("item", sizes.vocabulary) if is_vocabulary else ("token", 1)
        found.append((EncoderOutput("sparse_vecs", kind, width), weights))
    return found


def _logits(table: _Table, head: str, sizes: Sizes) -> Chosen:
    rank, granularity, width = {
        "sequence-classification": (2, "item", sizes.labels),
        "token-classification": (3, "token", sizes.labels),
        "question-answering": (3, "token", 2),
        "masked-lm": (3, "row", sizes.vocabulary),
    }[head]
    name = table.wanted or table.named(LOGITS, rank) or _only(table.unnamed(rank, width))
    if not name and head == "sequence-classification" and sizes.labels == 1:
        name = table.named(LOGITS, 1)
    if not name:
        raise table.refuse(f"the head {head} needs `logits` of rank {rank}")
    if table.wanted and len(table.outputs[name]) not in (0, rank):
        raise table.refuse(f"the head {head} needs an output of rank {rank}, and {name} is not one")
    width = width if len(table.outputs[name]) == 1 else table.width(name, width)
    return Chosen((EncoderOutput("logits", granularity, width),), {"logits": (name,)})


def _only(names: Sequence[str], table: _Table | None = None) -> str:
    """The one name that there is; empty for none or several."""
    if len(names) != 1:
        return ""
    return names[0] if table is None else table.named((names[0],), 2)
