"""MobileBERT and SqueezeBERT."""

from __future__ import annotations

from typing import Any

from published.sizes import BASE, bert, row, uncased

ZERO_SHOT = "zero-shot-classification"
NLI = ("ENTAILMENT", "NEUTRAL", "CONTRADICTION")


def mobilebert(**others: Any) -> dict[str, Any]:
    """config.json of a MobileBERT."""
    return {
        **bert((512, 4, 512), 30522),
        "model_type": "mobilebert",
        "embedding_size": 128,
        "intra_bottleneck_size": 128,
        "true_hidden_size": 128,
        "num_feedforward_networks": 4,
        "normalization_type": "no_norm",
        "trigram_input": True,
        "use_bottleneck": True,
        "use_bottleneck_attention": False,
        "key_query_shared_bottleneck": True,
        "classifier_activation": False,
        "hidden_act": "relu",
        **others,
    }


SQUEEZEBERT = {
    **bert(BASE, 30528),
    "model_type": "squeezebert",
    "embedding_size": 768,
    "q_groups": 4,
    "k_groups": 4,
    "v_groups": 4,
    "post_attention_groups": 1,
    "intermediate_groups": 4,
    "output_groups": 4,
}

ROWS = (
    row("google/mobilebert-uncased", "MobileBertForMaskedLM", mobilebert(), uncased()),
    row(
        "typeform/mobilebert-uncased-mnli", "MobileBertForSequenceClassification", mobilebert(), uncased(), NLI,
        task=ZERO_SHOT, card=ZERO_SHOT,
    ),
    row("mrm8488/mobilebert-uncased-finetuned-squadv2", "MobileBertForQuestionAnswering", mobilebert(), uncased()),
    row("squeezebert/squeezebert-uncased", "SqueezeBertForMaskedLM", SQUEEZEBERT, uncased()),
    row(
        "typeform/squeezebert-mnli", "SqueezeBertForSequenceClassification", SQUEEZEBERT, uncased(), NLI,
        task=ZERO_SHOT, card=ZERO_SHOT,
    ),
)  # fmt: skip
