"""Which head a checkpoint is made for, and the one table of heads.

A new head is a new file beside this one and a new row. Not here: the body below them (`bodies/`).
"""

from __future__ import annotations

from collections.abc import Callable

from naiad.convert.encoder.architectures import ARCHITECTURES, EXPORT
from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.classification import sequence_classification
from naiad.convert.encoder.heads.embedding import embedding
from naiad.convert.encoder.heads.language import masked_lm
from naiad.convert.encoder.heads.late import late_interaction
from naiad.convert.encoder.heads.sparse import sparse_embedding
from naiad.convert.encoder.heads.tokens import question_answering, token_classification
from naiad.core.encoding.encoder import EncoderOutput
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.repository.checkpoint import Checkpoint

_SUFFIXES = {
    "ForSequenceClassification": "sequence-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "masked-lm",
    "Model": "embedding",
    "ForPreTraining": "embedding",
    "LMHeadModel": "embedding",
}
"""Ends of the class names in config.json's `architectures`. A pre-training checkpoint is served for its embeddings."""

HEADS: dict[str, Callable[[Body, Inputs, Checkpoint], tuple[EncoderOutput, ...]]] = {
    "embedding": embedding,
    "sequence-classification": sequence_classification,
    "token-classification": token_classification,
    "question-answering": question_answering,
    "masked-lm": masked_lm,
    "sparse-embedding": sparse_embedding,
    "late-interaction": late_interaction,
}

_BASES = {"sparse-embedding": "masked-lm", "late-interaction": "embedding"}
"""Heads that are made from what another one has, so that a family that can do that one can do them."""


def infer_head(checkpoint: Checkpoint) -> str:
    """The head a checkpoint is made for. Raises Unsupported naming the class that has none."""
    if any(module.kind == "Pooling" for module in checkpoint.modules):
        return "embedding"
    name = checkpoint.architecture or "Model"
    family = ARCHITECTURES.get(checkpoint.model_type)
    if family is not None and name in family.needs_decoder:
        raise Unsupported(
            f"config.json: {name} decodes a second text, which Naiad does not convert; save the model as its "
            "encoder's class",
            architectures=[name],
        )
    for suffix, head in _SUFFIXES.items():
        if name.endswith(suffix):
            return head
    raise Unsupported(
        f"config.json: {name} has a head that Naiad does not convert; known heads: {', '.join(HEADS)}. "
        f"Set one of these, or {EXPORT}",
        architectures=[name],
    )


def add_head(body: Body, head: str, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """Build body and head; gives the outputs that the graph has. Raises LoadFailed for weights that do not fit."""
    if head not in HEADS:
        raise InvalidConfiguration(f"the head {head!r} is not known; known: {', '.join(HEADS)}", head=head)
    if body.family.heads and _BASES.get(head, head) not in body.family.heads:
        raise Unsupported(
            f"{checkpoint.model_type} is not converted for {head} by Naiad itself, only for "
            f"{', '.join(body.family.heads)}; {EXPORT}",
            head=head,
        )
    inputs = body.declare_inputs(rows=head == "masked-lm")
    return HEADS[head](body, inputs, checkpoint)
