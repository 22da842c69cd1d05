"""Which task a checkpoint is for, by what its folder says of itself; never a guess between two.

In this order: the kind of model that sentence-transformers says it saved; the class of config.json's `architectures`;
for classifiers the card and config.json together; last the model card's pipeline tag.

A classifier with one label is a ranker (`text-ranking`) if anything says so: sentence-transformers' CrossEncoder saved
it, or the card's tag is text-ranking or sentence-similarity, or the card names a cross-encoder or reranker. Without
such a word it is one only if nothing else is said either: no `problem_type`, no other tag.
A regression with one label is a text-classification with a raw score.
"""

from __future__ import annotations

from naiad.core.errors import LoadFailed, Unsupported
from naiad.repository.checkpoint import Checkpoint

_BY_ARCHITECTURE = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "BertForPreTraining": "fill-mask",
    "AlbertForPreTraining": "fill-mask",
    "Model": "feature-extraction",
}
"""How the names of transformers' classes end, and what they are for."""

_GENERATIVE = ("ForCausalLM", "ForConditionalGeneration", "Seq2Seq", "ForImageTextToText")
"""How the names of classes end that write text."""

EMBEDDING_TAGS = ("feature-extraction", "sentence-similarity")

RANKING_TAGS = ("text-ranking", "sentence-similarity")
"""Pipeline tags under which a classifier with one label is a ranker."""

RANKING_WORDS = frozenset({"cross-encoder", "reranker", "reranking", "text-ranking"})
"""Words among a card's tags that say the same."""


SPARSE_WORDS = frozenset({"splade", "sparse-encoder", "sparse-embedding"})
"""Words among a card's tags that make a masked-language model a sparse encoder."""


def recognise_task(checkpoint: Checkpoint, known: tuple[str, ...]) -> str:
    """The task of a checkpoint, one of `known`, from config.json, modules.json and the model card.

    Raises LoadFailed where they do not tell, or tell of a task that is not known; Unsupported for a kind of model that
    sentence-transformers has and Naiad has not.
    """
    tag = checkpoint.pipeline_tag
    match checkpoint.kind:
        case "SentenceTransformer":
            return tag if tag in EMBEDDING_TAGS else "feature-extraction"
        case "SparseEncoder":
            return "sparse-embedding"
        case "MultiVectorEncoder":
            return "late-interaction"
        case "CrossEncoder":
            if tag == "zero-shot-classification" and checkpoint.entailment_id is not None:
                return tag
            return "text-ranking" if checkpoint.label_count == 1 else "text-classification"
        case "":
            task = _task_of_class(checkpoint, tag) or (tag if tag in known else "")
            if task:
                return task
        case kind:
            raise Unsupported(
                f"{checkpoint.folder}: a {kind} of sentence-transformers is not served by Naiad", kind=kind
            )
    raise LoadFailed(f"{_not_told(checkpoint, tag)}: {', '.join(known)}", folder=str(checkpoint.folder))


def _not_told(checkpoint: Checkpoint, tag: str) -> str:
    name = checkpoint.architecture
    if name.endswith(_GENERATIVE):
        return (
            f"{checkpoint.folder} holds a generative model ({name}), and Naiad does not generate; to use its encoder, "
            "if it has one, set the task to one of"
        )
    return (
        f"the task of {checkpoint.folder} cannot be determined from architecture '{name}' and pipeline tag '{tag}'; "
        "set it to one of"
    )


def _task_of_class(checkpoint: Checkpoint, tag: str) -> str:
    """The task that the class saved by transformers is for; empty where it does not tell."""
    task = next((task for end, task in _BY_ARCHITECTURE.items() if checkpoint.architecture.endswith(end)), "")
    if task == "fill-mask" and not SPARSE_WORDS.isdisjoint(checkpoint.tags):
        return "sparse-embedding"
    if task == "fill-mask" and tag in EMBEDDING_TAGS:
        return tag
    if task != "text-classification":
        return task
    if tag == "zero-shot-classification" and checkpoint.entailment_id is not None:
        return tag
    return "text-ranking" if is_ranker(checkpoint) else task


def is_ranker(checkpoint: Checkpoint) -> bool:
    """Whether a classifier that is not known to be a CrossEncoder is one all the same; see above."""
    if checkpoint.label_count != 1:
        return False
    if checkpoint.pipeline_tag in RANKING_TAGS or not RANKING_WORDS.isdisjoint(checkpoint.tags):
        return True
    return not checkpoint.config.get("problem_type") and not checkpoint.pipeline_tag
