"""The table of published checkpoints, by family."""

from published import (
    bert,
    deberta,
    distil,
    exported,
    images,
    languages,
    mobile,
    others,
    roberta,
    rotary,
    scripts,
    sentence,
    t5,
)

ROWS = tuple(
    row
    for family in (
        bert,
        sentence,
        distil,
        roberta,
        others,
        deberta,
        rotary,
        languages,
        mobile,
        t5,
        scripts,
        images,
        exported,
    )
    for row in family.ROWS
)
