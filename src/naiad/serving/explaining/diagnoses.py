"""Why batches have the size they have, and what would change it: the first diagnosis that suits the facts.

Each is a pure function of the facts; a new one is a new row of a table in `kinds.py` or `batches.py`.
"""

from __future__ import annotations

from naiad.serving.explaining import batches, kinds
from naiad.serving.explaining.diagnosis import Diagnosis
from naiad.serving.explaining.facts import Facts

DIAGNOSES = (*kinds.DIAGNOSES, *batches.DIAGNOSES)
"""The first that suits is the answer; the last always does."""


def diagnose(facts: Facts) -> Diagnosis:
    """Give the first diagnosis that suits."""
    return next(found for suits in DIAGNOSES if (found := suits(facts)) is not None)
