"""Vocabularies of the BPE kinds: byte-level (RoBERTa, BART, ModernBERT), and those that mark a word's end.

Merges are made, not trained: each word is put together from left to right, most frequent words first, until the
vocabulary has its published size. Rare words and other scripts stay in pieces, as they do in a trained one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from making.words import characters, distinct, pieces

ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


def write_byte_level(
    folder: Path, size: int, *, specials: tuple[str, ...] = ROBERTA_SPECIALS, mask: str = "<mask>"
) -> None:
    """Write vocab.json and merges.txt as RoBERTa has them: special tokens first, the mask last."""
    tokens, merges = byte_level_tokens(size - len(specials) - 1)
    _write(folder, [*specials, *tokens, mask], merges)


def byte_level_tokens(size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """So many tokens over bytes, none special, and their merges."""
    table = _byte_characters()

    def spell(word: str) -> list[str]:
        return ["Ġ", *(table[byte] for byte in word.encode())]

    return _merge(list(table.values()), pieces(cased=True), spell, size)


def _byte_characters() -> dict[int, str]:
    """GPT-2's table: the printable character that stands for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + at) for at, byte in enumerate(others)}


def write_word_ends(folder: Path, size: int) -> None:
    """Write vocab.json and merges.txt as HerBERT has them: a word's last piece ends with </w>."""
    specials = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    room = size - len(specials)
    alphabet = [*characters(), *(f"{char}</w>" for char in characters())]
    tokens, merges = _merge(alphabet, pieces(cased=True), lambda word: [*word[:-1], f"{word[-1]}</w>"], room)
    _write(folder, [*specials, *tokens], merges)


def write_byte_word_ends(folder: Path, size: int, specials: tuple[str, ...]) -> None:
    """Write vocab.json and merges.txt as CLIP has them: bytes, a word's last piece ends with </w>, specials behind."""
    table = _byte_characters()

    def spell(word: str) -> list[str]:
        chars = [table[byte] for byte in word.lower().encode()]
        return [*chars[:-1], f"{chars[-1]}</w>"]

    alphabet = [*table.values(), *(f"{char}</w>" for char in table.values())]
    tokens, merges = _merge(alphabet, pieces(cased=False), spell, size - len(specials))
    _write(folder, [*tokens, *specials], merges)


def write_fastbpe(folder: Path, size: int) -> None:
    """Write vocab.txt (a token and its count) and bpe.codes as PhoBERT has them: @@ marks what goes on."""
    room = size - 5  # <s>, <pad>, </s>, <unk> and <mask> are added by the tokenizer

    def spell(word: str) -> list[str]:
        return [*word[:-1], f"{word[-1]}</w>"]

    alphabet = [*characters(), *(f"{char}</w>" for char in characters())]
    tokens, merges = _merge(alphabet, pieces(cased=True), spell, room)
    names = [token.removesuffix("</w>") if token.endswith("</w>") else f"{token}@@" for token in tokens]
    lines = [f"{name} {room - at}" for at, name in enumerate(names)]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    codes = [f"{first} {second} {len(merges) - at}" for at, (first, second) in enumerate(merges)]
    (folder / "bpe.codes").write_text("\n".join(codes) + "\n", encoding="utf-8")


def _merge(
    alphabet: list[str], source: Iterable[str], spell: Callable[[str], list[str]], size: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens, alphabet first, and the merges that make the others."""
    tokens = dict.fromkeys(distinct(len(dict.fromkeys(alphabet)), alphabet))
    merges: list[tuple[str, str]] = []
    for word in source:
        left, *rest = spell(word)
        for char in rest:
            if left + char not in tokens:
                tokens[left + char] = None
                merges.append((left, char))
            left += char
            if len(tokens) == size:
                return list(tokens), merges
    raise AssertionError("words never end")


def _write(folder: Path, vocabulary: list[str], merges: list[tuple[str, str]]) -> None:
    numbers = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
