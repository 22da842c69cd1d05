"""Classes whose vocabulary is a sentencepiece model with scores: XLM-RoBERTa, ALBERT, DeBERTa-v2, T5 and their kin.

Each makes the same model (Unigram) and differs in the number of its unknown token, in what is done to the text before,
and in whether words are cut at white space first. What the classes do to numbers is in `numbering.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.family import Named

Step = Callable[[Arguments], Sequence[Any]]
"""Gives normalizers of the library."""

SPACES_AND_BREAKS = r"\s{2,}|[\n\r\t]"
SPACE_MARK = "▁"


def make_pieces(
    steps: Step,
    unknown: int | Callable[[Arguments, Named], int],
    words: bool,
    prefix: str | None = None,
) -> Callable[[Arguments, Named], Any]:
    """A maker of Unigram tokenizers.

    steps: what is done to the text. unknown: number of the unknown token. words: cut at white space first. prefix:
    where the space mark is put before text; None: as `add_prefix_space` says.
    """

    def make(arguments: Arguments, named: Named) -> Any:
        from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
        from tokenizers.models import Unigram

        number = unknown if isinstance(unknown, int) else unknown(arguments, named)
        rust = Tokenizer(Unigram(arguments.vocabulary, unk_id=number, byte_fallback=False))
        done = list(steps(arguments))
        if done:
            rust.normalizer = normalizers.Sequence(done) if len(done) > 1 else done[0]
        scheme = prefix or ("always" if arguments.get("add_prefix_space", True) else "never")
        mark = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme=scheme)
        rust.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), mark]) if words else mark
        rust.decoder = decoders.Metaspace(replacement=SPACE_MARK, prepend_scheme=scheme)
        return rust

    return make


def make_deberta_v2(arguments: Arguments, named: Named) -> Any:
    """Like the others, but cut at punctuation where `split_by_punct` says so."""
    from tokenizers import pre_tokenizers

    scheme = "always" if arguments.get("add_prefix_space", True) else "first"
    rust = make_pieces(deberta_v2_steps, deberta_v2_unknown, words=False, prefix=scheme)(arguments, named)
    if arguments.get("split_by_punct", False):
        punctuation = pre_tokenizers.Punctuation(behavior="isolated")
        rust.pre_tokenizer = pre_tokenizers.Sequence([punctuation, rust.pre_tokenizer])
    return rust


def charsmap_only(arguments: Arguments) -> Sequence[Any]:
    """The model's own table of replacements."""
    from tokenizers import normalizers

    return [normalizers.Precompiled(arguments.charsmap)] if arguments.charsmap is not None else []


def charsmap_and_spaces(arguments: Arguments) -> Sequence[Any]:
    """The table, then one space for several."""
    return [*charsmap_only(arguments), _replace(" {2,}", " ")]


def nothing(_arguments: Arguments) -> Sequence[Any]:
    """The text as it comes."""
    return []


def albert_steps(arguments: Arguments) -> Sequence[Any]:
    """One kind of quotes, no accents, lower case."""
    return [*_quotes(), *_folding(arguments, lower=True, keep_accents=False), *charsmap_only(arguments)]


def rembert_steps(arguments: Arguments) -> Sequence[Any]:
    """ALBERT's, with accents and capitals unless the options say otherwise."""
    folding = _folding(arguments, lower=False, keep_accents=True)
    return [*_quotes(), _replace(" {2,}", " "), *folding, *charsmap_only(arguments)]


def xlnet_steps(arguments: Arguments) -> Sequence[Any]:
    """ALBERT's; accents go whatever the options say, as in transformers."""
    from tokenizers import normalizers

    lower = [normalizers.Lowercase()] if arguments.get("do_lower_case", False) else []
    return [*_quotes(), normalizers.NFKD(), normalizers.StripAccents(), *lower, *charsmap_only(arguments)]


def deberta_v2_steps(arguments: Arguments) -> Sequence[Any]:
    """One space for several and for line breaks, none at the end."""
    from tokenizers import normalizers

    lower = [normalizers.Lowercase()] if arguments.get("do_lower_case", False) else []
    return [*lower, *barthez_steps(arguments)]


def barthez_steps(_arguments: Arguments) -> Sequence[Any]:
    """One space for several and for line breaks, none at the end."""
    from tokenizers import normalizers

    return [_replace(SPACES_AND_BREAKS, " "), normalizers.NFC(), normalizers.Strip(left=False, right=True)]


def big_bird_steps(_arguments: Arguments) -> Sequence[Any]:
    """A space mark for several spaces."""
    from tokenizers import normalizers

    return [normalizers.Strip(left=False, right=False), _replace(" {2,}", SPACE_MARK)]


def zero_score_unknown(arguments: Arguments, named: Named, otherwise: int) -> int:
    """Number of the unknown token where the vocabulary has it with the score 0, else `otherwise`."""
    entry = (content(named["unk"]), 0.0)
    return arguments.vocabulary.index(entry) if entry in arguments.vocabulary else otherwise


def deberta_v2_unknown(arguments: Arguments, named: Named) -> int:
    """Like `zero_score_unknown`, else `unk_id` of the options or of the sentencepiece model."""
    return zero_score_unknown(arguments, named, int(arguments.get("unk_id", 1)))


def big_bird_unknown(arguments: Arguments, named: Named) -> int:
    """Like `zero_score_unknown`, else 100."""
    return zero_score_unknown(arguments, named, 100)


def named_unknown(arguments: Arguments, named: Named) -> int:
    """Place of the unknown token in the vocabulary, 0 where it is missing."""
    token = content(named["unk"])
    return next((number for number, (piece, _) in enumerate(arguments.vocabulary) if piece == token), 0)


def optional_unknown(arguments: Arguments, _named: Named) -> int:
    """`unk_id` of the options or of the sentencepiece model."""
    return int(arguments.get("unk_id", 0))


def _quotes() -> list[Any]:
    from tokenizers import normalizers

    return [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]


def _folding(arguments: Arguments, lower: bool, keep_accents: bool) -> list[Any]:
    """Accents and capitals as `keep_accents` and `do_lower_case` say, by these defaults."""
    from tokenizers import normalizers

    steps: list[Any] = []
    if not arguments.get("keep_accents", keep_accents):
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if arguments.get("do_lower_case", lower):
        steps.append(normalizers.Lowercase())
    return steps


def _replace(pattern: str, replacement: str) -> Any:
    from tokenizers import Regex, normalizers

    return normalizers.Replace(Regex(pattern), replacement)
