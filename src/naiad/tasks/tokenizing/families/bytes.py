"""Classes whose vocabulary is vocab.json with merges.txt over bytes: GPT-2, RoBERTa and their kin."""

from __future__ import annotations

from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.family import Family, Frame, Named, frame_ends, token_id

ROBERTA_TOKENS = {
    "bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>",
}  # fmt: skip
END_OF_TEXT = "<|endoftext|>"

_FILES = ("vocab.json", "merges.txt")

_WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_WORDS = rf"{_WORDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+{_REST}"
QWEN3_5_WORDS = rf"{_WORDS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+{_REST}"
CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def make_byte_level(arguments: Arguments, _named: Named) -> Any:
    """Words with the space before them, as bytes."""
    from tokenizers import pre_tokenizers

    rust = _byte_pairs(arguments)
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=arguments.get("add_prefix_space", False))
    return rust


def _make_blenderbot(arguments: Arguments, named: Named) -> Any:
    arguments.options.setdefault("add_prefix_space", True)
    return make_byte_level(arguments, named)


def _make_neox(arguments: Arguments, named: Named) -> Any:
    from tokenizers import normalizers

    rust = make_byte_level(arguments, named)
    rust.normalizer = normalizers.NFC()
    return rust


def _make_qwen(words: str) -> Any:
    def make(arguments: Arguments, _named: Named) -> Any:
        from tokenizers import Regex, normalizers, pre_tokenizers

        rust = _byte_pairs(arguments)
        rust.normalizer = normalizers.NFC()
        prefix = arguments.get("add_prefix_space") or False
        rust.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(words), behavior="isolated", invert=False),
                pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False),
            ]
        )
        return rust

    return make


def _make_clip(arguments: Arguments, named: Named) -> Any:
    """Lower case, words without the space before them, their last token marked with </w>."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    rust = _byte_pairs(arguments, end_of_word_suffix="</w>", unk_token=content(named["unk"]))
    rust.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    rust.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return rust


def _frame_roberta(rust: Any, arguments: Arguments, named: Named) -> Any:
    from tokenizers.processors import RobertaProcessing

    sep, cls = ((content(named[role]), token_id(rust, named, named[role])) for role in ("sep", "cls"))
    return RobertaProcessing(sep, cls, arguments.get("trim_offsets", True), arguments.get("add_prefix_space", False))


def _frame_clip(rust: Any, _arguments: Arguments, named: Named) -> Any:
    from tokenizers.processors import RobertaProcessing

    eos, bos = ((content(named[role]), token_id(rust, named, named[role])) for role in ("eos", "bos"))
    return RobertaProcessing(eos, bos, trim_offsets=False, add_prefix_space=False)


def _mark_special(rust: Any, tokens: list[str]) -> None:
    from tokenizers import AddedToken

    rust.add_tokens([AddedToken(token, special=True) for token in dict.fromkeys(tokens)])


def _byte_pairs(arguments: Arguments, end_of_word_suffix: str = "", unk_token: str | None = None) -> Any:
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import BPE

    rust = Tokenizer(
        BPE(
            vocab=arguments.vocabulary,
            merges=arguments.merges,
            unk_token=unk_token,
            continuing_subword_prefix="",
            end_of_word_suffix=end_of_word_suffix,
            fuse_unk=False,
        )
    )
    rust.decoder = decoders.ByteLevel()
    return rust


BYTE_FAMILIES: dict[str, Family] = {
    "RobertaTokenizer": Family("BPE", _FILES, make_byte_level, ROBERTA_TOKENS, frame=_frame_roberta),
    "DebertaTokenizer": Family(
        "BPE",
        _FILES,
        make_byte_level,
        {
            "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]",
            "mask": "[MASK]",
        },
        frame=Frame("{cls} $A {sep}", "{cls} $A {sep} {sep} $B {sep}"),
        type_ids=True,
    ),
    "GPT2Tokenizer": Family(
        "BPE", _FILES, make_byte_level, {"bos": END_OF_TEXT, "eos": END_OF_TEXT, "unk": END_OF_TEXT}
    ),
    "GPTNeoXTokenizer": Family(
        "BPE",
        _FILES,
        _make_neox,
        {"bos": END_OF_TEXT, "eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": "<|padding|>"},
        frame=frame_ends,
    ),
    "BlenderbotTokenizer": Family(
        "BPE",
        _FILES,
        _make_blenderbot,
        ROBERTA_TOKENS,
        {"mask": {"lstrip": True, "rstrip": False, "normalized": False}},
    ),
    "Qwen2Tokenizer": Family(
        "BPE",
        _FILES,
        _make_qwen(QWEN2_WORDS),
        {"eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": END_OF_TEXT},
        after=_mark_special,
    ),
    "Qwen3_5Tokenizer": Family(
        "BPE", (), _make_qwen(QWEN3_5_WORDS), {"eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": END_OF_TEXT}
    ),
    "CLIPTokenizer": Family(
        "BPE",
        _FILES,
        _make_clip,
        {"bos": "<|startoftext|>", "eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": END_OF_TEXT},
        frame=_frame_clip,
    ),
}  # fmt: skip
"""Class → row."""
