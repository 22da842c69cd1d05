"""Which class a checkpoint has, and reading sentencepiece models, by tables."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.classes import choose_class
from naiad.tasks.tokenizing.declared.names import ALIASES, MODEL_TYPE_CLASS, REFUSED
from naiad.tasks.tokenizing.declared.sentencepiece import read_sentencepiece
from naiad.tasks.tokenizing.declared.vocabulary import merges_of, tokenizer_path
from naiad.tasks.tokenizing.families.table import FAMILIES


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "expected"),
    [
        ({"model_type": "bert"}, {}, "BertTokenizer"),
        ({"model_type": "bert"}, {"tokenizer_class": "BertTokenizerFast"}, "BertTokenizer"),
        ({"model_type": "bert"}, {"tokenizer_class": "PreTrainedTokenizerFast"}, "TokenizersBackend"),
        ({"model_type": "bert"}, {"tokenizer_class": "XLMRobertaTokenizer"}, "XLMRobertaTokenizer"),
        ({"model_type": "bert", "tokenizer_class": "HerbertTokenizer"}, {}, "HerbertTokenizer"),
        ({"model_type": "bert", "tokenizer_class": "HerbertTokenizer"}, {"tokenizer_class": None}, "HerbertTokenizer"),
        ({"model_type": "electra"}, {"tokenizer_class": "ElectraTokenizerFast"}, "BertTokenizer"),
        ({"model_type": "longformer"}, {"tokenizer_class": "LongformerTokenizer"}, "RobertaTokenizer"),
        ({"model_type": "modernbert"}, {"tokenizer_class": "RobertaTokenizerFast"}, "TokenizersBackend"),
        ({"model_type": "nystromformer"}, {"tokenizer_class": "AlbertTokenizer"}, "TokenizersBackend"),
        ({"model_type": "xlm-roberta-xl"}, {"tokenizer_class": "XLMRobertaTokenizer"}, "TokenizersBackend"),
        ({"model_type": "qwen2"}, {"tokenizer_class": "LlamaTokenizer"}, "Qwen2Tokenizer"),
        ({"model_type": "new"}, {"tokenizer_class": "BertTokenizer"}, "BertTokenizer"),
        ({"model_type": "new"}, {"tokenizer_class": "NobodyKnowsTokenizer"}, "TokenizersBackend"),
        ({"model_type": "bert"}, {"tokenizer_class": "NobodyKnowsTokenizer"}, "TokenizersBackend"),
        ({"model_type": "nobody-knows"}, {}, "TokenizersBackend"),
        ({}, {}, "TokenizersBackend"),
        ({"model_type": 7}, {"tokenizer_class": 7, "auto_map": 7}, "TokenizersBackend"),
        (
            {"model_type": "xlm-roberta"},
            {"tokenizer_class": "XLMRobertaTokenizer", "auto_map": {"AutoTokenizer": ["x.Slow", None]}},
            "XLMRobertaTokenizer",
        ),
        ({"model_type": "mystery"}, {"tokenizer_class": "BertTokenizer", "auto_map": ["x.Slow"]}, "BertTokenizer"),
        ({"model_type": "bert"}, {"auto_map": {"AutoModel": "x.Y"}}, "BertTokenizer"),
    ],
)
def test_class(config: dict[str, Any], tokenizer_config: dict[str, Any], expected: str) -> None:
    assert choose_class(config, tokenizer_config, FAMILIES.keys(), is_byte_level=False) == expected


def test_llama_over_bytes_is_taken_as_it_is() -> None:
    declared = {"tokenizer_class": "LlamaTokenizerFast"}
    assert choose_class({"model_type": "llama"}, declared, FAMILIES.keys(), is_byte_level=True) == "TokenizersBackend"
    assert choose_class({"model_type": "llama"}, declared, FAMILIES.keys(), is_byte_level=False) == "LlamaTokenizer"


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "words"),
    [
        ({"model_type": "tapas"}, {}, "TapasTokenizer cannot be used: it needs more than text"),
        ({"model_type": "bert"}, {"tokenizer_class": "MarkupLMTokenizerFast"}, "MarkupLMTokenizer cannot be used"),
        ({"model_type": "canine"}, {}, "CanineTokenizer cannot be used: it splits text with code of its own"),
        ({"model_type": "mystery"}, {"auto_map": {"AutoTokenizer": ["t.Slow", "t.Quick"]}}, "code of its own .t.Quick"),
        (
            {"model_type": "mystery"},
            {"tokenizer_class": "MysteryTokenizer", "auto_map": ["t.Slow", None]},
            "code of its own .t.Slow in tokenizer_config.json., which Naiad does not run",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(
    config: dict[str, Any], tokenizer_config: dict[str, Any], words: str
) -> None:
    with pytest.raises(LoadFailed, match=words) as caught:
        choose_class(config, tokenizer_config, FAMILIES.keys(), is_byte_level=False)
    assert 'set "tokenizer_class": "PreTrainedTokenizerFast"' in caught.value.message


def test_every_class_is_made_or_refused() -> None:
    named = {ALIASES.get(name, name) for name in MODEL_TYPE_CLASS.values()}
    assert sorted(named - FAMILIES.keys() - REFUSED.keys()) == []
    assert sorted(FAMILIES.keys() & REFUSED.keys()) == []


@pytest.mark.torch
def test_the_table_is_that_of_transformers() -> None:
    auto = pytest.importorskip("transformers.models.auto.tokenization_auto", reason="transformers is not installed")
    theirs = {
        model_type: name.removesuffix("Fast").replace("MistralCommonBackend", "TokenizersBackend")
        for model_type, name in auto.TOKENIZER_MAPPING_NAMES.items()
        if name is not None  # a library for it is missing
    }
    assert {model_type: name for model_type, name in MODEL_TYPE_CLASS.items() if model_type in theirs} == theirs
    names = FAMILIES.keys() | REFUSED.keys() | ALIASES.keys()
    for name in (name for name in names if not name.endswith("Fast")):
        found = auto.tokenizer_class_from_name(name)
        assert found is None or found.__name__ in (name, ALIASES.get(name), "PythonBackend"), name


def test_versioned_tokenizer_files(tmp_path: Path) -> None:
    def choose(*names: str) -> str:
        return tokenizer_path(tmp_path, {"fast_tokenizer_files": names}).name

    assert choose() == "tokenizer.json"
    assert choose("tokenizer.json", "tokenizer.4.0.0.json", "tokenizer.4.10.json") == "tokenizer.4.10.json"
    assert choose("tokenizer.99.0.json", "../../x.json") == "tokenizer.json"


def field(number: int, value: float | bytes) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value % (1 << 64))


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def test_a_sentencepiece_model_is_read_whole(tmp_path: Path) -> None:
    pieces = [(b"<unk>", 0.0, 2), (b"<s>", 0.0, 3), ("▁東".encode(), -1.5, 1), (b"<x>", 0.0, 4)]
    written = b"".join(
        field(1, field(1, text) + field(2, score) + (field(3, kind) if kind != 1 else b""))
        for text, score, kind in pieces
    )
    training = field(3, 2) + field(35, 1) + field(40, 7) + field(42, -1) + field(45, b"<UNK>") + field(99, 1.0)
    (tmp_path / "m.model").write_bytes(written + field(2, training) + field(3, field(2, b"map") + field(3, 0)))
    model = read_sentencepiece(tmp_path / "m.model")
    assert model.scores == [("<unk>", 0.0), ("<s>", 0.0), ("▁東", -1.5), ("<x>", 0.0)]
    assert [piece.kind for piece in model.pieces] == [2, 3, 1, 4]
    assert (model.algorithm, model.byte_fallback, model.unknown_id, model.begin_id, model.end_id) == (2, True, 7, 1, -1)
    assert (model.unknown_piece, model.charsmap) == ("<UNK>", b"map")


@pytest.mark.parametrize(
    "data",
    [b"", b"text", field(1, 3), field(1, field(1, b"a"))[:-1], b"\xff" * 20, field(1, b"") + field(2, field(3, 4))],
)
def test_what_is_no_sentencepiece_model_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.model").write_bytes(data)
    with pytest.raises(LoadFailed, match="is not a sentencepiece model"):
        read_sentencepiece(tmp_path / "m.model")


def test_a_vocabulary_implies_its_merges() -> None:
    vocabulary = {token: number for number, token in enumerate(["a", "b", "ab", "aba", "ba", "c"])}
    assert merges_of(vocabulary) == [("a", "b"), ("a", "ba"), ("ab", "a"), ("b", "a")]
