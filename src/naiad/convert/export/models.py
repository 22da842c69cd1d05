"""Which class of transformers loads a model for a head, and what a graph of it takes and gives: a table.

Names only; torch and transformers are in `child.py`. A text head's name is that of `naiad.convert.encoder.heads`; the
others are those of image models, else the Hub's tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

from naiad.core.errors import Unsupported

TEXT, IMAGE, AUDIO = "text", "image", "audio"


@dataclass(frozen=True, slots=True)
class Exportable:
    """One head."""

    loader: str
    """transformers' class."""
    kind: str
    """What goes in: text, image or audio."""
    outputs: tuple[str, ...]
    """Candidates: those that the model returns become the graph's outputs."""


EXPORTABLE: dict[str, Exportable] = {
    "embedding": Exportable("AutoModel", TEXT, ("last_hidden_state",)),
    "sequence-classification": Exportable("AutoModelForSequenceClassification", TEXT, ("logits",)),
    "token-classification": Exportable("AutoModelForTokenClassification", TEXT, ("logits",)),
    "question-answering": Exportable("AutoModelForQuestionAnswering", TEXT, ("start_logits", "end_logits")),
    "masked-lm": Exportable("AutoModelForMaskedLM", TEXT, ("logits",)),
    "image-classification": Exportable("AutoModelForImageClassification", IMAGE, ("logits",)),
    "image-embedding": Exportable("AutoModel", IMAGE, ("last_hidden_state", "pooler_output")),
    "object-detection": Exportable("AutoModelForObjectDetection", IMAGE, ("logits", "pred_boxes")),
    "image-segmentation": Exportable("AutoModelForSemanticSegmentation", IMAGE, ("logits",)),
    "audio-classification": Exportable("AutoModelForAudioClassification", AUDIO, ("logits",)),
    "automatic-speech-recognition": Exportable("AutoModelForCTC", AUDIO, ("logits",)),
}


def exportable(head: str) -> Exportable:
    """The row of a head. Raises Unsupported naming those there are."""
    if head not in EXPORTABLE:
        raise Unsupported(f"models for '{head}' cannot be exported; known: {', '.join(EXPORTABLE)}", task=head)
    return EXPORTABLE[head]
