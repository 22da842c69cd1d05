"""Vocabularies to test tokenizer classes on: small, trained on odd texts in many scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.encoding.encoder import EncoderSpec

CORPUS = [
    "The movie was great, and the city isn't big. It's 1,234.56 dollars; don't ask (really)!",
    "Der Fluss fließt durch Köln, Übermut tut selten gut. À Noël, l'été à la française.",
    "日本語のテキストを書きます。東京都に住んでいる。中文句子没有空格。한국어 문장도 있습니다.",
    "Это предложение на русском языке. Ελληνικά γράμματα. नमस्ते दुनिया। العربية لغة جميلة. שלום עולם",
    "fullwidth ＡＢＣ １２３ ﬁne ﬂow ① ™ ½ 🙂 👍🏽 https://example.org/a?b=c#d user@example.org @user #tag",
    "def f(x):\n\treturn x  +  1\r\n\n# a comment `` quoted '' text",
] * 8

MORE_TEXTS = [
    "the movie was great",
    "The MOVIE was GREAT, isn't it?",
    "ＦＵＬＬ　ＷＩＤＴＨ ﬁ ﬂ ½ ① ™ ㈱ ｶﾀｶﾅ",
    "İstanbul ΣΊΣΥΦΟΣ ßtraße ǅ ŉ",
    "``quotes'' ''and`` 'more'",
    "a  b   c\u00a0d\u3000e\u2009f",
    "new\n\nlines\r\nand\ttabs \u0085 \u2028 \x0b\x0c",
    "東京都に住んでいる。１２３円！？「引用」",
    "don't I'll we've THEY'RE he'd o'clock",
    "<unk> </s><s> <pad>[SEP]text[MASK]  text <mask> text<mask>text [UNK]",
    "12345 3.14 1,000,000 2024-01-02",
    "\u0301combining \u200d\u200bzero\ufeff \x01\x7f\ufffd control",
    "▁mark ▁▁two _ __ ## ##ing @@ a@@",
]


def write(folder: Path, **files: Any) -> None:
    """Write JSON files by stem."""
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


@pytest.fixture(scope="session")
def byte_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """vocab.json and merges.txt over bytes."""
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("bytes")
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", "<|startoftext|>", "[CLS]", "[SEP]", "[PAD]"]
    trained.train_from_iterator(
        CORPUS, vocab_size=600, min_frequency=1, special_tokens=[*special, "[UNK]", "[MASK]"], show_progress=False
    )
    trained.save_model(str(folder))
    return {name: (folder / name).read_bytes() for name in ("vocab.json", "merges.txt")}


@pytest.fixture(scope="session")
def word_end_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """vocab.json and merges.txt over characters, the last of a word marked with </w>."""
    from tokenizers import CharBPETokenizer

    folder = tmp_path_factory.mktemp("words")
    trained = CharBPETokenizer()
    trained.train_from_iterator(
        [*CORPUS, *(text.lower() for text in CORPUS)],
        vocab_size=700,
        min_frequency=1,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", "<|startoftext|>"],
        show_progress=False,
    )
    trained.save_model(str(folder))
    return {name: (folder / name).read_bytes() for name in ("vocab.json", "merges.txt")}


@pytest.fixture(scope="session")
def train_pieces(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Train a sentencepiece model; gives the file's bytes."""
    spm = pytest.importorskip("sentencepiece", reason="trains a sentencepiece model")
    trained: dict[str, bytes] = {}

    def train(**settings: Any) -> bytes:
        key = repr(sorted(settings.items()))
        if key not in trained:
            prefix = str(tmp_path_factory.mktemp("pieces") / "m")
            values = {"vocab_size": 430, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1, **settings}
            sentences = [line for text in CORPUS for line in text.splitlines()]
            spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_prefix=prefix, **values)
            trained[key] = Path(prefix + ".model").read_bytes()
        return trained[key]

    return train


@pytest.fixture
def any_spec() -> EncoderSpec:
    """An encoder that takes everything."""
    return EncoderSpec("bert", "embedding", (), max_tokens=100_000, uses_type_ids=True)


@pytest.fixture
def odd_texts(nasty_texts: list[str]) -> list[str]:
    """Texts that tokenizers differ on."""
    return [*(text[:300] for text in nasty_texts), *MORE_TEXTS, *CORPUS[:6]]


@pytest.fixture
def bert_words(make_folder: Callable[..., Path]) -> list[str]:
    """Lines of a small vocab.txt."""
    return [*(make_folder() / "vocab.txt").read_text().splitlines(), *"東京都日本語テキスト🙂ßéèÉΣσ", "##京", "##é"]
