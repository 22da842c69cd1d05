"""Classes with merges over characters: HerBERT, and sentencepiece's BPE as Llama, Gemma and NLLB have it."""

from __future__ import annotations

from typing import Any

from naiad.tasks.tokenizing.declared.arguments import Arguments, content
from naiad.tasks.tokenizing.families.bytes import ROBERTA_TOKENS
from naiad.tasks.tokenizing.families.family import Family, Named
from naiad.tasks.tokenizing.families.sentencepieces import numbering
from naiad.tasks.tokenizing.families.sentencepieces.languages import NLLB_LANGUAGES
from naiad.tasks.tokenizing.families.sentencepieces.steps import SPACE_MARK, charsmap_and_spaces
from naiad.tasks.tokenizing.families.sentencepieces.unigrams import FAIRSEQ_FILE, language_frame

GEMMA_TOKENS = {"bos": "<bos>", "eos": "<eos>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}


def make_herbert(arguments: Arguments, named: Named) -> Any:
    """BERT's words, merged from characters, their last token marked with </w>."""
    from tokenizers import decoders, normalizers, pre_tokenizers

    rust = _merging(arguments, unk_token=content(named["unk"]), end_of_word_suffix="</w>")
    rust.normalizer = normalizers.BertNormalizer(
        lowercase=False, strip_accents=False, clean_text=True, handle_chinese_chars=True
    )
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.decoder = decoders.BPEDecoder(suffix="</w>")
    return rust


def make_llama(arguments: Arguments, _named: Named) -> Any:
    """Text is not cut into words; characters without a token become bytes."""
    from tokenizers import decoders, pre_tokenizers

    prefix = arguments.get("add_prefix_space")
    prefix = True if prefix is None else prefix
    scheme = ("always" if arguments.get("legacy", False) else "first") if prefix else "never"
    rust = _merging(arguments, fuse_unk=True, byte_fallback=True)
    rust.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme=scheme, split=False)
    steps = [decoders.Replace(SPACE_MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    rust.decoder = decoders.Sequence([*steps, decoders.Strip(content=" ", left=1)] if prefix else steps)
    return rust


def make_gemma(arguments: Arguments, named: Named) -> Any:
    """Spaces become marks; characters without a token become bytes."""
    from tokenizers import decoders, normalizers, pre_tokenizers

    rust = _merging(arguments, unk_token=content(named["unk"]), fuse_unk=True, byte_fallback=True)
    rust.normalizer = normalizers.Replace(" ", SPACE_MARK)
    rust.pre_tokenizer = pre_tokenizers.Split(pattern=" ", behavior="merged_with_previous", invert=False)
    rust.decoder = decoders.Sequence([decoders.Replace(SPACE_MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    return rust


def make_nllb(arguments: Arguments, named: Named) -> Any:
    """Merges of sentencepiece, cut at spaces."""
    from tokenizers import decoders, normalizers, pre_tokenizers

    rust = _merging(arguments, unk_token=content(named["unk"]), fuse_unk=True)
    if arguments.charsmap is not None:
        rust.normalizer = normalizers.Sequence(list(charsmap_and_spaces(arguments)))
    rust.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme="always")
    rust.decoder = decoders.Metaspace(replacement=SPACE_MARK, prepend_scheme="always")
    return rust


def frame_herbert(_rust: Any, _arguments: Arguments, named: Named) -> Any:
    """The numbers are fixed in transformers."""
    from tokenizers.processors import BertProcessing

    return BertProcessing((content(named["sep"]), 2), (content(named["cls"]), 0))


def frame_nllb(rust: Any, arguments: Arguments, named: Named) -> Any:
    """The source language before the text; behind it with `legacy_behaviour`."""
    before = not arguments.get("legacy_behaviour", False)
    return language_frame("eng_Latn", before)(rust, arguments, named)


def _nllb_extra(arguments: Arguments) -> list[Any]:
    return numbering.written_extra(arguments) or list(NLLB_LANGUAGES)


def _lower_first(rust: Any, _tokens: list[str]) -> None:
    from tokenizers import normalizers

    rust.normalizer = normalizers.Sequence([normalizers.Lowercase(), rust.normalizer])


def _merging(arguments: Arguments, **settings: Any) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    return Tokenizer(BPE(vocab=arguments.vocabulary, merges=arguments.merges, **settings))


MERGING_FAMILIES: dict[str, Family] = {
    "HerbertTokenizer": Family(
        "BPE",
        ("vocab.json", "merges.txt"),
        make_herbert,
        {role: token for role, token in ROBERTA_TOKENS.items() if role not in ("bos", "eos")},
        frame=frame_herbert,
    ),
    "LlamaTokenizer": Family("BPE", ("tokenizer.model",), make_llama, {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}),
    "GemmaTokenizer": Family("BPE", (), make_gemma, GEMMA_TOKENS),
    "Siglip2Tokenizer": Family("BPE", (), make_gemma, GEMMA_TOKENS, after=_lower_first),
    "NllbTokenizer": Family(
        "BPE",
        FAIRSEQ_FILE,
        make_nllb,
        ROBERTA_TOKENS,
        {"mask": {"normalized": True, "lstrip": True, "special": True}},
        frame=frame_nllb,
        further=_nllb_extra,
        reorder=numbering.nllb,
    ),
}
"""Class → row."""
