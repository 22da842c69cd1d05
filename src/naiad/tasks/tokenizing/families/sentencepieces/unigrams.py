"""The rows of classes with sentencepiece's Unigram model."""

from __future__ import annotations

from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.bytes import ROBERTA_TOKENS
from naiad.tasks.tokenizing.families.family import Family, Frame, Named, frame_ends, token_id
from naiad.tasks.tokenizing.families.sentencepieces import numbering, steps
from naiad.tasks.tokenizing.families.sentencepieces.languages import MBART50_LANGUAGES, MBART_LANGUAGES
from naiad.tasks.tokenizing.families.wordpiece import BERT_FRAME

FAIRSEQ_FILE = ("sentencepiece.bpe.model",)
SPIECE_FILE = ("spiece.model",)
ROBERTA_FRAME = Frame("{bos} $A {eos}", "{bos} $A {eos} {eos} $B {eos}")
T5_FRAME = Frame("$A {eos}", "$A {eos} $B {eos}")

ALBERT_TOKENS = {
    "bos": "[CLS]", "eos": "[SEP]", "unk": "<unk>", "sep": "[SEP]", "pad": "<pad>", "cls": "[CLS]", "mask": "[MASK]",
}  # fmt: skip
_PLAIN = {"lstrip": False, "rstrip": False}
_TAKES_SPACE = {"lstrip": True, "rstrip": False}


def language_frame(default: str, before: bool) -> Any:
    """Puts the code of the source language before the text, or behind its end token."""

    def frame(rust: Any, arguments: Arguments, named: Named) -> Any:
        from tokenizers.processors import TemplateProcessing

        language, eos = arguments.get("src_lang") or default, content(named["eos"])
        around = (language, eos) if before else (eos, language)
        words = {True: ([language], [eos]), False: ([], [eos, language])}[before]
        tokens = [(token, token_id(rust, named, token)) for token in around]
        single, pair = ([*words[0], *texts, *words[1]] for texts in (("$A",), ("$A", "$B")))
        return TemplateProcessing(single=single, pair=pair, special_tokens=tokens)

    return frame


def frame_rembert(rust: Any, arguments: Arguments, named: Named) -> Any:
    """BERT's frame; transformers puts none where tokenizer.json is missing."""
    from tokenizers.processors import TemplateProcessing

    if arguments.post_processor is None:
        return frame_ends(rust, arguments, named)
    cls, sep = (content(named[role]) for role in ("cls", "sep"))
    return TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, token_id(rust, named, token)) for token in (cls, sep)],
    )


UNIGRAM_FAMILIES: dict[str, Family] = {
    "AlbertTokenizer": Family(
        "Unigram",
        SPIECE_FILE,
        steps.make_pieces(steps.albert_steps, 1, words=True),
        ALBERT_TOKENS,
        first_frame=BERT_FRAME,
    ),
    "XLMRobertaTokenizer": Family(
        "Unigram",
        FAIRSEQ_FILE,
        steps.make_pieces(steps.charsmap_only, 3, words=True),
        ROBERTA_TOKENS,
        frame=ROBERTA_FRAME,
        reorder=numbering.fairseq(),
    ),
    "CamembertTokenizer": Family(
        "",
        FAIRSEQ_FILE,
        steps.make_pieces(steps.charsmap_only, steps.named_unknown, words=True),
        ROBERTA_TOKENS,
        {"mask": {"lstrip": True, "special": True}},
        frame=ROBERTA_FRAME,
        further=numbering.camembert_extra,
        reorder=numbering.camembert,
    ),
    "BarthezTokenizer": Family(
        "",
        FAIRSEQ_FILE,
        steps.make_pieces(steps.barthez_steps, 3, words=False),
        ROBERTA_TOKENS,
        {"mask": _TAKES_SPACE},
    ),
    "DebertaV2Tokenizer": Family(
        "Unigram",
        ("spm.model",),
        steps.make_deberta_v2,
        {**ALBERT_TOKENS, "unk": "[UNK]", "pad": "[PAD]"},
        frame=BERT_FRAME,
        type_ids=True,
    ),
    "RemBertTokenizer": Family(
        "Unigram",
        ("sentencepiece.model",),
        steps.make_pieces(steps.rembert_steps, 2, words=False),
        ALBERT_TOKENS,
        frame=frame_rembert,
    ),
    "BigBirdTokenizer": Family(
        "Unigram",
        SPIECE_FILE,
        steps.make_pieces(steps.big_bird_steps, steps.big_bird_unknown, words=False),
        {**ALBERT_TOKENS, "bos": "<s>", "eos": "</s>"},
        {**dict.fromkeys(("bos", "eos", "unk", "pad", "cls", "sep"), _PLAIN), "mask": _TAKES_SPACE},
        frame=BERT_FRAME,
    ),
    "XLNetTokenizer": Family(
        "Unigram",
        SPIECE_FILE,
        steps.make_pieces(steps.xlnet_steps, steps.optional_unknown, words=True, prefix="always"),
        {
            "bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "<sep>", "pad": "<pad>", "cls": "<cls>",
            "mask": "<mask>",
        },
        {"mask": _TAKES_SPACE},
        frame=Frame("$A:0 {sep}:0 {cls}:2", "$A:0 {sep}:0 $B:1 {sep}:1 {cls}:2"),
        further=numbering.xlnet_extra,
    ),
    "T5Tokenizer": Family(
        "Unigram",
        SPIECE_FILE,
        steps.make_pieces(steps.charsmap_only, 2, words=True, prefix="always"),
        {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"},
        frame=T5_FRAME,
        further=numbering.t5_extra,
        reorder=numbering.t5,
    ),
    "MBartTokenizer": Family(
        "Unigram",
        FAIRSEQ_FILE,
        steps.make_pieces(steps.nothing, 3, words=True, prefix="always"),
        ROBERTA_TOKENS,
        {"mask": _TAKES_SPACE},
        frame=language_frame("en_XX", before=False),
        further=numbering.mbart_extra,
        reorder=numbering.fairseq(languages=MBART_LANGUAGES),
    ),
    "MBart50Tokenizer": Family(
        "Unigram",
        FAIRSEQ_FILE,
        steps.make_pieces(steps.charsmap_and_spaces, 3, words=False, prefix="always"),
        {role: token for role, token in ROBERTA_TOKENS.items() if role != "bos"},
        {"mask": _TAKES_SPACE},
        frame=language_frame("en_XX", before=True),
        further=numbering.mbart50_extra,
        reorder=numbering.fairseq("cls", MBART50_LANGUAGES),
    ),
}  # fmt: skip
"""Class → row."""
