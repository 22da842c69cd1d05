"""What late-interaction checkpoints of three libraries say, and what is refused."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest

from naiad.core.errors import LoadFailed, Unsupported
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks import infer_task
from naiad.tasks.retrieval.late_settings import Expansion, LateSettings, read_late_settings

PUNCTUATION = tuple(string.punctuation)


def read(folder: Any) -> LateSettings:
    return read_late_settings(Checkpoint(folder))


def test_a_checkpoint_that_says_nothing_does_nothing(make_folder: Any) -> None:
    settings = read(make_folder(config_sentence_transformers={"model_type": "MultiVectorEncoder"}))
    assert (settings.expansion, settings.skipped, dict(settings.markers)) == (None, (), {})
    assert settings.lengths == {"query": None, "document": None}


def test_pylate(make_folder: Any) -> None:
    saved = {
        "model_type": "ColBERT",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 48,
        "document_length": 300,
        "attend_to_expansion_tokens": True,
        "similarity_fn_name": "MaxSim",
        "prompts": {"query": "ask: ", "document": ""},
    }
    settings = read(make_folder(config_sentence_transformers=saved))
    assert settings.prompts == {"query": "[Q] ask: ", "document": "[D] "}
    assert settings.markers == {"query": "[Q] ", "document": "[D] "}
    assert settings.lengths == {"query": 48, "document": 300}
    assert settings.expansion == Expansion(48, is_attended=True)
    assert (settings.skipped, settings.skipped_kinds) == (PUNCTUATION, ("document",))
    without = read(make_folder(config_sentence_transformers={**saved, "do_query_expansion": False}))
    assert without.expansion is None
    words = read(make_folder(config_sentence_transformers={**saved, "skiplist_words": [".", ","]}))
    assert words.skipped == (".", ",")


@pytest.mark.parametrize(
    ("saved", "skipped"),
    [
        ({"query_prefix": "[Q] ", "document_prefix": "[D] "}, PUNCTUATION),
        ({"document_prefix": "", "model_type": "SentenceTransformer"}, PUNCTUATION),
        ({"query_length": 12}, ()),
        ({"query_prefix": "[Q] ", "model_type": "MultiVectorEncoder"}, ()),
        ({"query_prefix": "[Q] ", "skiplist_words": []}, ()),
    ],
)
def test_pylate_without_a_list_of_skipped_words(make_folder: Any, saved: dict[str, Any], skipped: tuple[str]) -> None:
    """sentence-transformers 6 knows PyLate's folder by its markers, whose default is punctuation."""
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    assert read(make_folder(modules=modules, config_sentence_transformers=saved)).skipped == skipped


def test_two_ways_to_say_a_length(make_folder: Any) -> None:
    transformer = {"processing_kwargs": {"text": {"max_length": 8}}, "document_length": 20}
    with pytest.raises(Unsupported, match=r"max_length in sentence_bert_config\.json stands against the lengths"):
        read(make_folder(sentence_bert_config=transformer))


def test_stanford(make_folder: Any) -> None:
    folder = make_folder({"architectures": ["HF_ColBERT"]})
    assert infer_task(folder) == "late-interaction"
    settings = read(folder)
    assert settings.prompts == {"query": "[unused0] ", "document": "[unused1] "}
    assert (settings.expansion, settings.skipped) == (Expansion(32), PUNCTUATION)
    metadata = {"query_maxlen": 24, "doc_maxlen": 180, "mask_punctuation": False, "attend_to_mask_tokens": True}
    (folder / "artifact.metadata").write_text(json.dumps({**metadata, "query_token_id": "[unused7]"}))
    settings = read(folder)
    assert settings.prompts["query"] == "[unused7] "
    assert (settings.lengths["document"], settings.skipped) == (180, ())
    assert settings.expansion == Expansion(24, is_attended=True)


def test_sentence_transformers_6(make_folder: Any) -> None:
    mask = {"path": "2_MultiVectorMask", "type": "sentence_transformers.multi_vector_encoder.modules.MultiVectorMask"}
    folder = make_folder(
        modules=[{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}, mask],
        sentence_bert_config={
            "query_length": 20,
            "query_expansion": {"strategy": "min", "attend": True, "length": 16, "token": "[X]"},
        },
        config_sentence_transformers={"similarity_fn_name": "meanmaxsim", "query_expansion": None, "query_length": 9},
    )
    (folder / "2_MultiVectorMask").mkdir()
    content = {"skiplist_words": ["."], "skiplist_tasks": ["query", "document"], "keep_only_token_ids": [7]}
    (folder / "2_MultiVectorMask" / "config.json").write_text(json.dumps(content))
    assert infer_task(folder) == "late-interaction"
    settings = read(folder)
    assert settings.expansion == Expansion(16, is_fixed=False, is_attended=True, token="[X]")
    assert (settings.lengths["query"], settings.is_mean) == (20, True)
    assert (settings.skipped, settings.skipped_kinds, settings.kept_ids) == ((".",), ("query", "document"), (7,))


@pytest.mark.parametrize(
    ("saved", "error", "words"),
    [
        ({"query_length": "32"}, LoadFailed, "query_length is '32', a whole number"),
        ({"query_expansion": {"strategy": "best", "length": 3}}, LoadFailed, "a strategy .fixed or min. and a length"),
        ({"query_expansion": {"strategy": "fixed"}}, LoadFailed, "a strategy"),
        ({"query_expansion": {"strategy": "fixed", "length": 3, "by": 1}}, LoadFailed, "a strategy"),
        ({"similarity_fn_name": "chamfer"}, Unsupported, "similarity_fn_name is 'chamfer'; late interaction compares"),
    ],
)
def test_what_makes_no_sense(make_folder: Any, saved: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read(make_folder(config_sentence_transformers=saved))
