"""The families of encoders that are converted without torch, as one table; the rows stand in `families/`, by kin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.convert.encoder.families.architecture import Architecture
from naiad.convert.encoder.families.bart import BART, MBART
from naiad.convert.encoder.families.bert import ALBERT, BERT, DISTILBERT, ELECTRA
from naiad.convert.encoder.families.deberta import DEBERTA, DEBERTA_V2
from naiad.convert.encoder.families.modern import MODERNBERT
from naiad.convert.encoder.families.roberta import MPNET, ROBERTA
from naiad.core.errors import Unsupported

ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "electra": ELECTRA,
    "albert": ALBERT,
    "bart": BART,
    "mbart": MBART,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA_V2,
    "modernbert": MODERNBERT,
}


def known_architectures() -> tuple[str, ...]:
    """The values of config.json's `model_type` that can be converted without torch."""
    return tuple(ARCHITECTURES)


def find_architecture(config: Mapping[str, Any]) -> Architecture:
    """The family of a config.json. Raises Unsupported naming what is not known and what to do instead."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise Unsupported(
            f"the architecture {kind!r} (model_type of config.json) cannot be converted by Naiad itself; "
            f"known: {', '.join(ARCHITECTURES)}. Export it with `optimum-cli export onnx --model MODEL FOLDER` "
            "(pip install optimum-onnx, in an environment of its own) and serve that folder",
            model_type=kind,
        )
    return ARCHITECTURES[kind]
