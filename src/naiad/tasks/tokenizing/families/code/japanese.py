"""Japanese BERT: words by MeCab or at white space, cut into WordPiece tokens or characters. The home of fugashi.

Not here: words by Sudachi and Juman++, and pieces by sentencepiece, which are refused by name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.family import Named

INSTALL = "pip install 'naiad[japanese]'"
DICTIONARIES = ("ipadic", "unidic_lite", "unidic")

FindWords = Callable[[str], list[str]]


class FoundWords:
    """Cuts text into the words that a function finds in it, in order; what lies between them is dropped."""

    def __init__(self, find: FindWords, lowercases: bool, never: frozenset[str], by_character: bool) -> None:
        self._find, self._lowercases, self._never, self._by_character = find, lowercases, never, by_character

    def pre_tokenize(self, text: Any) -> None:
        """Called by the library with a `PreTokenizedString`."""
        text.split(self._split)

    def _split(self, _index: int, text: Any) -> list[Any]:
        written, at = text.normalized, 0
        pieces: list[Any] = []
        for word in self._find(written):
            begin = written.find(word, at)
            if begin < 0 or not word:
                continue
            at = begin + len(word)
            piece = text[begin:at]
            if self._lowercases and word not in self._never:
                _lowercase(piece, word.lower())
            if not self._by_character:
                pieces.append(piece)
                continue
            piece.nfkc()
            pieces += [piece[place : place + 1] for place in range(len(piece.normalized))]
        return pieces


def make_japanese(arguments: Arguments, named: Named) -> Any:
    """The words and tokens that tokenizer_config.json asks for. Raises LoadFailed for kinds that we do not have."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    kind = (
        arguments.get("subword_tokenizer_type", "wordpiece") if arguments.get("do_subword_tokenize", True) else "word"
    )
    unknown = content(named["unk"])
    if kind == "wordpiece":
        rust = Tokenizer(models.WordPiece(arguments.vocabulary, unk_token=unknown, max_input_chars_per_word=100))
    elif kind in ("character", "word"):
        rust = Tokenizer(models.WordLevel(arguments.vocabulary, unk_token=unknown))
    else:
        raise LoadFailed(f"the tokenizer's subword_tokenizer_type is {kind}; wordpiece and character can be used")
    words = arguments.get("word_tokenizer_type", "basic") if arguments.get("do_word_tokenize", True) else "none"
    lowercases = arguments.get("do_lower_case", False) is True
    never = frozenset({*(arguments.get("never_split") or ()), *map(content, named.values())})
    options = arguments.get("mecab_kwargs") or {}
    if words == "mecab":
        if options.get("normalize_text", True):
            rust.normalizer = normalizers.NFKC()
        find: FindWords = mecab_words(options)
    elif words == "basic":
        rust.normalizer, find, lowercases = _basic_steps(lowercases), _basic_words, False
    elif words == "none":
        find, lowercases = (str.split if kind == "wordpiece" else _whole), False
    else:
        raise LoadFailed(f"the tokenizer's word_tokenizer_type is {words}; mecab and basic can be used")
    if kind == "wordpiece":
        find = _between_spaces(find)
    splitter = FoundWords(find, lowercases, never, kind == "character")
    rust.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(splitter)
    rust.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return rust


def mecab_words(options: Mapping[str, Any]) -> FindWords:
    """MeCab with the dictionary of `mecab_kwargs`. Raises LoadFailed where it is not installed."""
    name = options.get("mecab_dic", "unidic_lite")
    if name is not None and name not in DICTIONARIES:
        raise LoadFailed(f"the tokenizer's mecab_dic is {name!r}; {', '.join(DICTIONARIES)} can be used")
    try:
        import fugashi

        command = options.get("mecab_option") or ""
        if name is not None:
            folder = Path(_dictionary(name))
            command = f'-d "{folder}" -r "{folder / "mecabrc"}" {command}'
        tagger = fugashi.GenericTagger(command)
    except ImportError as error:
        needed = f"{INSTALL}" if name != "unidic" else f"{INSTALL} unidic, then python -m unidic download"
        raise LoadFailed(f"the tokenizer finds words with MeCab, and {error.name} is missing: {needed}") from error
    except RuntimeError as error:
        raise LoadFailed(f"MeCab cannot use the dictionary {name}: {error}") from error
    lock = threading.Lock()

    def find(text: str) -> list[str]:
        with lock:  # a tagger holds the words of one text at a time
            return [word.surface for word in tagger(text)]

    return find


def _dictionary(name: str) -> str:
    """Folder of an installed dictionary."""
    if name == "ipadic":
        import ipadic

        return str(ipadic.DICDIR)
    if name == "unidic_lite":
        import unidic_lite

        return str(unidic_lite.DICDIR)
    import unidic

    return str(unidic.DICDIR)


def _lowercase(piece: Any, lower: str) -> None:
    """Python's way, which knows the sigma at a word's end; where the word gets longer, the library's."""
    if len(lower) == len(piece.normalized):
        characters = iter(lower)
        piece.map(lambda _: next(characters))
    else:
        piece.lowercase()


def _between_spaces(find: FindWords) -> FindWords:
    """White space in a word ends it, as before WordPiece."""
    return lambda text: [part for word in find(text) for part in word.split()]


def _whole(text: str) -> list[str]:
    return [text]


def _basic_steps(lowercases: bool) -> Any:
    """BERT's cleaning as Python does it: all control, private and unassigned characters go, accents are composed."""
    from tokenizers import Regex, normalizers

    def step(clean: bool, lower: bool) -> Any:
        return normalizers.BertNormalizer(
            clean_text=clean, handle_chinese_chars=False, strip_accents=lower, lowercase=lower
        )

    controls = normalizers.Replace(Regex(r"[\p{C}&&[^\t\n\r]]"), "")
    steps = [controls, step(clean=True, lower=False), normalizers.NFC()]
    return normalizers.Sequence([*steps, step(clean=False, lower=True)] if lowercases else steps)


def _basic_words(text: str) -> list[str]:
    """Words between white space, each punctuation mark one of its own."""
    from tokenizers.pre_tokenizers import BertPreTokenizer

    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(text)]
