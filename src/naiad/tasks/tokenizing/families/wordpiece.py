"""Classes whose vocabulary is vocab.txt: BERT and its kin."""

from __future__ import annotations

from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.family import Family, Frame, Named

BERT_TOKENS = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
BERT_FRAME = Frame("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1")

_PLAIN = {"lstrip": False, "rstrip": False}


def make_bert(arguments: Arguments, named: Named) -> Any:
    """BERT's normalizer and words, and the longest tokens from the left."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import WordPiece

    rust = Tokenizer(WordPiece(arguments.vocabulary, unk_token=content(named["unk"])))
    rust.normalizer = normalizers.BertNormalizer(
        clean_text=arguments.get("clean_text", True),
        handle_chinese_chars=arguments.get("tokenize_chinese_chars", True),
        strip_accents=arguments.get("strip_accents"),
        lowercase=arguments.get("do_lower_case", True),
    )
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.decoder = decoders.WordPiece(prefix="##")
    return rust


def _bert(**changes: Any) -> Family:
    values = {"tokens": BERT_TOKENS, "frame": BERT_FRAME, "type_ids": True, "fixed": {"clean_text": True}, **changes}
    return Family("WordPiece", ("vocab.txt",), make_bert, **values)


WORDPIECE_FAMILIES: dict[str, Family] = {
    "BertTokenizer": _bert(),
    "DistilBertTokenizer": _bert(type_ids=False),
    "ConvBertTokenizer": _bert(takes_file=True),
    "DPRContextEncoderTokenizer": _bert(fixed={"clean_text": True, "do_lower_case": True}),
    "DPRContextEncoderTokenizerFast": _bert(takes_file=True),
    "DPRQuestionEncoderTokenizer": _bert(fixed={"clean_text": True, "do_lower_case": True}),
    "DPRQuestionEncoderTokenizerFast": _bert(takes_file=True),
    "FunnelTokenizer": _bert(
        tokens={
            "bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "<sep>", "pad": "<pad>", "cls": "<cls>",
            "mask": "<mask>",
        },
        frame=Frame("{cls}:2 $A:0 {sep}:0", "{cls}:2 $A:0 {sep}:0 $B:1 {sep}:1"),
        type_ids=False,
        fixed={},
    ),
    "MPNetTokenizer": _bert(
        tokens={
            "bos": "<s>", "eos": "</s>", "unk": "[UNK]", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>",
        },
        flags={**dict.fromkeys(("bos", "eos", "unk", "sep", "pad", "cls"), _PLAIN), "mask": {"lstrip": True}},
        frame=Frame("{cls} {sep}", roberta=True),
        type_ids=False,
    ),
}  # fmt: skip
"""Class → row."""
