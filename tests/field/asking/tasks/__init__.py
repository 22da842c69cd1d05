"""Each task: what is right for a text, by transformers or sentence-transformers, and how the server is asked for it."""

from __future__ import annotations

from asking.tasks.answering import Answering
from asking.tasks.classification import Classification, ZeroShot
from asking.tasks.embedding import Embedding
from asking.tasks.entities import Entities
from asking.tasks.fill_mask import FillMask
from asking.tasks.images import Images, ImageVectors, ZeroShotImages
from asking.tasks.ranking import Ranking
from asking.tasks.sparse import Sparse

TASKS = {
    "feature-extraction": Embedding,
    "text-classification": Classification,
    "zero-shot-classification": ZeroShot,
    "token-classification": Entities,
    "question-answering": Answering,
    "fill-mask": FillMask,
    "text-ranking": Ranking,
    "sparse-embedding": Sparse,
    "image-classification": Images,
    "image-feature-extraction": ImageVectors,
    "zero-shot-image-classification": ZeroShotImages,
}
"""Task → its side of the comparison. Each has `expected(text)` and `ask(ask, texts)`, which give the same values."""
