"""The texts that a conversion is checked with: short and long, in several scripts, odd ones too; or the user's own.

Not here: making tokens of them; that takes the checkpoint's own tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path

from naiad.core.errors import InvalidConfiguration

TEXTS = (
    "",
    "Yes.",
    "thanks",
    "Good morning!",
    "The parcel arrived two days late and the box was open.",
    "I would buy it again, but not at this price.",
    "What is the capital of Australia?",
    "Marie Curie was born in Warsaw and worked in Paris.",
    "Neptune's innermost moons are small, dark and close to the planet's rings.",
    "def area(r): return 3.14159 * r ** 2  # circle",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name;",
    "https://example.org/a/b?c=1&d=2#e",
    "Order no. 4711-0815 of 2024-02-29: 3 x 12.50 = 37.50 EUR (incl. 19% VAT)",
    'HE SAID "NO" - THREE TIMES!!!',
    "Der Zug nach Köln fährt um 7:45 Uhr von Gleis 3 ab; bitte beachten Sie die Durchsagen.",
    "Où est la bibliothèque ? Elle se trouve derrière l'église, près du vieux marché.",
    "¿Cuánto cuesta el billete de ida y vuelta a Sevilla para el próximo fin de semana?",
    "Kaç kişi bekleniyor? İstanbul'da hava çok güzel.",
    "Zażółć gęślą jaźń. Tiếng Việt có nhiều dấu.",
    "Сегодня в Москве идёт снег, а в Сочи светит солнце.",
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.",
    "ירושלים היא עיר עתיקה מאוד.",
    "القاهرة مدينة كبيرة تقع على ضفاف نهر النيل.",
    "दिल्ली में आज मौसम बहुत अच्छा है।",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "今天天气很好，我们去公园散步吧。",
    "東京は日本の首都で、とても大きな都市です。",
    "서울은 대한민국의 수도이며 인구가 아주 많습니다.",
    "Café, naïve, e\u0301te\u0301 and ﬁne ﬂour: the same letters, written in several ways.",
    "Well… 😀👍🏽 that went better than expected 🚀🚀🚀",
    "tabs\tand\nline breaks\r\nand   many    blanks",
    "Pneumonoultramicroscopicsilicovolcanoconiosis",
    (
        "Please find attached the minutes of last Tuesday's meeting. We agreed on three points: the budget stays "
        "as it is, the launch moves to the second week of March, and Ines will write to the supplier about the parts."
    ),
    (
        "The committee has considered the report on water quality in the northern districts. Measurements at eleven of "
        "the fourteen stations were within the limits; at the others, nitrate was too high after heavy rain in April "
        "and again in June. It recommends wider margins beside the fields, and new measurements in autumn before it "
        "is decided about the pumping station, whose renewal would cost more than the district can spend in one year."
    ),
)
"""The empty text comes first; what a tokenizer makes no tokens of is left out."""

PAIRS = (
    ("What is the capital of Australia?", "Canberra has been the capital of Australia since 1913; Sydney is larger."),
    ("Who wrote it?", "The letter was written by Ada in 1843."),
    ("A man is eating.", "Somebody is having a meal."),
    ("Wo liegt Köln?", "Köln liegt am Rhein, nördlich von Bonn und südlich von Düsseldorf."),
    ("return policy", "Unused goods can be sent back within 30 days. The cost of sending is yours. " * 6),
)
"""For models that read two texts together."""


def long_text(characters: int) -> str:
    """The texts repeated to this many characters; cut by the tokenizer, the longest input."""
    once = " ".join(TEXTS[1:])
    return (once + " ") * (characters // len(once) + 1)


def read_texts(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Texts and pairs of a file: one text a line, or, in a .jsonl file, one object with text and perhaps text_pair.

    Raises InvalidConfiguration for a file that cannot be read so, or that holds nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"--data {path} cannot be read as UTF-8 text: {error}") from error
    if path.suffix == ".jsonl":
        texts, pairs = _read_objects(path, lines)
    else:
        texts, pairs = [line for line in lines if line], []
    if not texts and not pairs:
        raise InvalidConfiguration(f"--data {path} holds no texts: write one a line")
    return texts, pairs


def _read_objects(path: Path, lines: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    texts: list[str] = []
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            text, pair = content["text"], content.get("text_pair")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidConfiguration(f'--data {path}, line {number}: not an object {{"text": …}}') from error
        if not isinstance(text, str) or not isinstance(pair, str | None):
            raise InvalidConfiguration(f"--data {path}, line {number}: text and text_pair must be strings")
        if pair is None:
            texts.append(text)
        else:
            pairs.append((text, pair))
    return texts, pairs
