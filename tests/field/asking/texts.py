"""The texts that every model is asked: plain, short, odd, empty and very long ones."""

from __future__ import annotations

PLAIN = (
    "The quiet harbour at dawn.",
    "My name is Sarah Connor and I live in New York, near the river Thames; Wolfgang lives in Berlin.",
    "a",
    "We are not amused: this movie was terrible, unbelievable, and I would not watch it again!",
)

ODD = (
    "Ünïcödé naïve café — “quotes”… Straße, ß ẞ İstanbul ıI ς Σ",
    "e\u0301 combining and é; ﬁ ligature ① ﷺ Ⅷ ｆｕｌｌ　ｗｉｄｔｈ ½",
    "東京タワーは高い。我喜欢苹果，你呢？",
    "Привет, мир! Как дела? مرحبا بالعالم नमस्ते दुनिया สวัสดีชาวโลก 한국어 문장입니다 שלום",
    "emoji 👩‍👩‍👧‍👦 🇫🇷 👍🏽 done\u200b zero\ufeffwidth soft\u00adhyphen",
    "tabs\tand\nlines\r\nand\u2028more \x00 nul \x7f delete \u0085 next  two spaces   three ",
    "don't won't we'll I've he's 1,234.56 user@mail.example https://a.b/c?d=e #tag @user $5 50% C++ a_b [x] {y}",
    "x" * 150 + " " + "ab" * 60 + " " + "ab" * 40,
    "[CLS] special [SEP] tokens </s> as <s> words <pad> [PAD] [UNK] <unk>",
)

EMPTY = ("", "   ")

EVERY_TEXT = PLAIN + ODD

MIXED_LENGTHS = tuple(" ".join(PLAIN[1].split()[:length]) for length in (1, 19, 3, 7, 12, 2, 16, 5))
"""Texts for the requests that come at the same time."""


def long_text(words: int) -> str:
    """So many words that look like language: sentences of different lengths."""
    source = " ".join((PLAIN[1], PLAIN[3], PLAIN[0], ODD[0])).split()
    return " ".join(source[(number * 7 + number // 5) % len(source)] for number in range(words))
