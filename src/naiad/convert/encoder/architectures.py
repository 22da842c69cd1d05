"""The families of encoders that are converted without torch, as one table; the rows stand in `families/`, by kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from naiad.convert.encoder.families.alibi import JINA_BERT
from naiad.convert.encoder.families.architecture import Architecture
from naiad.convert.encoder.families.bart import BART, MBART
from naiad.convert.encoder.families.bert import ALBERT, BERT, DISTILBERT, ELECTRA, ERNIE, REMBERT
from naiad.convert.encoder.families.deberta import DEBERTA, DEBERTA_V2
from naiad.convert.encoder.families.mobile import MOBILEBERT, SQUEEZEBERT
from naiad.convert.encoder.families.modern import EUROBERT, MODERNBERT
from naiad.convert.encoder.families.pre_norm import MEGATRON_BERT, ROBERTA_PRELAYERNORM, XLM_ROBERTA_XL
from naiad.convert.encoder.families.roberta import CAMEMBERT, DATA2VEC, MPNET, ROBERTA, XLM_ROBERTA
from naiad.convert.encoder.families.rotary import GTE, JINA_V3, NEW, NOMIC, NOMIC_FLASH, ROFORMER
from naiad.convert.encoder.families.t5 import MT5, T5
from naiad.core.errors import Unsupported

EXPORT = "convert it with `naiad convert MODEL FOLDER` (torch needed: pip install 'naiad[torch]') and serve that folder"
"""The way out for models, or parts of them, that we do not compute ourselves."""

ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "camembert": CAMEMBERT,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "electra": ELECTRA,
    "albert": ALBERT,
    "bart": BART,
    "mbart": MBART,
    "t5": T5,
    "mt5": MT5,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA_V2,
    "mobilebert": MOBILEBERT,
    "squeezebert": SQUEEZEBERT,
    "modernbert": MODERNBERT,
    "eurobert": EUROBERT,
    "nomic_bert": NOMIC,
    "new": NEW,
    "gte": GTE,
    "jina_embeddings_v3": JINA_V3,
    "roformer": ROFORMER,
    "rembert": REMBERT,
    "ernie": ERNIE,
    "data2vec-text": DATA2VEC,
    "xlm-roberta-xl": XLM_ROBERTA_XL,
    "roberta-prelayernorm": ROBERTA_PRELAYERNORM,
    "megatron-bert": MEGATRON_BERT,
}


def _is_jina_bert(config: Mapping[str, Any]) -> bool:
    name, *_ = config.get("architectures") or [""]
    return config.get("position_embedding_type") == "alibi" or name.startswith("JinaBert")


def _is_flash(config: Mapping[str, Any]) -> bool:
    return "n_embd" in config or "rotary_emb_fraction" in config


_VARIANTS: dict[str, tuple[Callable[[Mapping[str, Any]], bool], Architecture]] = {
    "bert": (_is_jina_bert, JINA_BERT),
    "nomic_bert": (_is_flash, NOMIC_FLASH),
}
"""Other families under the same `model_type`, told by something else in config.json."""


def known_architectures() -> tuple[str, ...]:
    """The values of config.json's `model_type` that can be converted without torch."""
    return tuple(ARCHITECTURES)


def find_architecture(config: Mapping[str, Any]) -> Architecture:
    """The family of a config.json. Raises Unsupported naming what is not known and what to do instead."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise Unsupported(
            f"the architecture {kind!r} (model_type of config.json) cannot be converted by Naiad itself; "
            f"known: {', '.join(ARCHITECTURES)}; {EXPORT}",
            model_type=kind,
        )
    is_variant, variant = _VARIANTS.get(kind, (lambda _: False, ARCHITECTURES[kind]))
    return variant if is_variant(config) else ARCHITECTURES[kind]
