"""The table of published checkpoints, by family."""

from published import bert, deberta, distil, languages, others, roberta, rotary, sentence

ROWS = tuple(
    row for family in (bert, sentence, distil, roberta, others, deberta, rotary, languages) for row in family.ROWS
)
