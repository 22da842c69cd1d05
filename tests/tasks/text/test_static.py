"""Texts to rows of a table: no special tokens, unknown ones dropped or kept, texts without tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.core.message import InferRequest
from naiad.tasks import build_task, infer_task

WORDS = ["[UNK]", "the", "rain", "falls", "quietly"]
SPEC = EncoderSpec("static", "embedding", (EncoderOutput("embedding", "item", 4),), 100, vocabulary=6)
MODULES = [{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]


def write(folder: Path, config: dict[str, Any] | None, **more: Any) -> Path:
    model = {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "[UNK]"}
    document = {"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}, "added_tokens": [], **more}
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "modules.json").write_text(json.dumps(MODULES))
    (folder / "config.json").unlink(missing_ok=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def ids(tmp_path: Path, ask: Callable[..., InferRequest]) -> Callable[..., tuple[list[list[int]], int]]:
    def run(*texts: str, config: dict[str, Any] | None = None, **more: Any) -> tuple[list[list[int]], int]:
        folder = write(tmp_path, config, **more)
        preparation = build_task(infer_task(folder), folder, SPEC).prepare(ask(text=list(texts)))
        return [text.input_ids.tolist() for text in preparation.texts], preparation.truncated

    return run


def test_sentence_transformers_takes_every_token(ids: Any) -> None:
    assert ids("the rain falls", "a rain", "", "  ") == ([[1, 2, 3], [0, 2], [5], [5]], 0)


def test_model2vec_drops_tokens_it_does_not_know(ids: Any) -> None:
    assert ids("a rain", "a b", "", config={"model_type": "model2vec"}) == ([[2], [5], [5]], 0)


def test_a_unigram_vocabulary_names_its_unknown_token_by_number(ids: Any) -> None:
    model = {"type": "Unigram", "vocab": [["<unk>", 0.0], ["▁the", -1.0], ["▁rain", -1.0]], "unk_id": 0}
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    found = ids("the x rain", config={"model_type": "model2vec"}, model=model, pre_tokenizer=spaces)
    assert 0 not in found[0][0]
    assert {1, 2} <= {*found[0][0]}


def test_lengths(ids: Any) -> None:
    assert ids("the rain falls", config={"model_type": "model2vec", "max_length": 2}) == ([[1, 2]], 1)
    assert ids("rain " * 600, config={"model_type": "model2vec"})[1] == 1
    assert ids("rain " * 90, config={"model_type": "model2vec", "max_length": None}) == ([[2] * 90], 0)
    cut = {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    assert ids("the rain falls", truncation=cut) == ([[1, 2]], 1)
    assert ids("rain " * 101) == ([[2] * 100], 1)


def test_model2vec_cuts_characters_first(ids: Any) -> None:
    """Half of its tokens are five characters or longer, so a limit of one token means the first five characters."""
    assert ids("the rain", config={"model_type": "model2vec", "max_length": 1}) == ([[1]], 1)
    assert ids("    quietly", config={"model_type": "model2vec", "max_length": 1}) == ([[5]], 1)


def test_a_length_that_is_none(ids: Any) -> None:
    with pytest.raises(LoadFailed, match="max_length is 'x', not a number of tokens"):
        ids("a", config={"model_type": "model2vec", "max_length": "x"})


def test_a_model2vec_folder_without_modules_is_one_too(tmp_path: Path) -> None:
    folder = write(tmp_path, {"model_type": "model2vec", "architectures": ["StaticModel"]})
    (folder / "modules.json").unlink()
    assert infer_task(folder) == "feature-extraction"
