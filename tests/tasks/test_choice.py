from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
from naiad.tasks import KNOWN_TASKS, build_task, head_for, infer_task

MODULES = [{"idx": 0, "type": "sentence_transformers.models.Transformer"}]


def card(folder: Path, tag: str) -> Path:
    (folder / "README.md").write_text(f"---\nlicense: mit\npipeline_tag: {tag}\n---\n# pipeline_tag: fill-mask\n")
    return folder


def config(architecture: str, **more: Any) -> dict[str, Any]:
    return {"architectures": [architecture], **more}


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertModel", "feature-extraction"),
        ("DistilBertForSequenceClassification", "text-classification"),
        ("XLMRobertaForTokenClassification", "token-classification"),
        ("ElectraForQuestionAnswering", "question-answering"),
        ("AlbertForMaskedLM", "fill-mask"),
        ("BertForPreTraining", "fill-mask"),
    ],
)
def test_the_architecture_tells_the_task(make_folder: Callable[..., Path], architecture: str, task: str) -> None:
    assert infer_task(make_folder(config(architecture))) == task


def test_a_masked_model_embeds_where_the_card_says_so(make_folder: Callable[..., Path]) -> None:
    assert infer_task(card(make_folder(config("BertForMaskedLM")), "feature-extraction")) == "feature-extraction"


def test_sentence_transformers_embed(make_folder: Callable[..., Path]) -> None:
    folder = make_folder(config("BertForMaskedLM"), modules=MODULES)
    assert infer_task(folder) == "feature-extraction"
    assert infer_task(card(folder, "sentence-similarity")) == "sentence-similarity"


def test_one_logit_ranks_unless_the_card_says_otherwise(make_folder: Callable[..., Path]) -> None:
    folder = make_folder(config("BertForSequenceClassification", id2label={"0": "LABEL_0"}))
    assert infer_task(folder) == "text-ranking"
    assert infer_task(card(folder, "text-ranking")) == "text-ranking"
    assert infer_task(card(folder, "text-classification")) == "text-classification"


@pytest.mark.parametrize(
    ("said", "front", "task"),
    [
        ({}, "", "text-ranking"),
        ({"problem_type": "regression"}, "", "text-classification"),
        ({"problem_type": "multi_label_classification"}, "", "text-classification"),
        ({"problem_type": "regression"}, "pipeline_tag: text-ranking", "text-ranking"),
        ({"problem_type": "regression"}, "tags: [transformers, cross-encoder]", "text-ranking"),
        ({"problem_type": "regression", "sentence_transformers": {"version": "4.1"}}, "", "text-ranking"),
        ({"sbert_ce_default_activation_function": "torch.nn.Sigmoid"}, "", "text-ranking"),
        ({}, "pipeline_tag: sentence-similarity", "text-ranking"),
        ({}, "pipeline_tag: text-classification\ntags:\n- reranker", "text-ranking"),
        ({"id2label": {"0": "relevance"}}, "", "text-ranking"),
        ({"id2label": {"0": "toxicity"}}, "pipeline_tag: text-classification", "text-classification"),
        ({"id2label": {"0": "a", "1": "b"}}, "pipeline_tag: text-ranking", "text-classification"),
    ],
)
def test_one_logit_by_what_is_said(make_folder: Any, said: dict[str, Any], front: str, task: str) -> None:
    folder = make_folder(config("BertForSequenceClassification", **{"id2label": {"0": "LABEL_0"}, **said}))
    (folder / "README.md").write_text(f"---\nlicense: mit\n{front}\n---\n")
    assert infer_task(folder) == task


def test_kinds_of_models_that_are_not_served_are_named(make_folder: Any) -> None:
    folder = make_folder(config("BertModel"), config_sentence_transformers={"model_type": "HoloEncoder"})
    with pytest.raises(Unsupported, match="a HoloEncoder of sentence-transformers is not served"):
        infer_task(folder)


def test_cross_encoders_rank_with_one_logit(make_folder: Callable[..., Path]) -> None:
    settings = {"model_type": "CrossEncoder"}
    folder = make_folder(config("X", id2label={"0": "LABEL_0"}), config_sentence_transformers=settings)
    assert infer_task(folder) == "text-ranking"
    assert infer_task(make_folder(config("X"), config_sentence_transformers=settings)) == "text-classification"


def test_the_body_may_lie_in_a_subfolder(make_folder: Callable[..., Path], make_spec: Any) -> None:
    """Older sentence-transformers keep config.json and the tokenizer there."""
    folder = make_folder(modules=[{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}])
    body = folder / "0_Transformer"
    body.mkdir()
    for name in ("vocab.txt", "config.json"):
        (folder / name).rename(body / name)
    (body / "sentence_bert_config.json").write_text('{"max_seq_length": 5}')
    task = build_task(infer_task(folder), folder, make_spec())
    assert task._tokenizer.max_tokens == 5  # type: ignore[attr-defined]


def test_zero_shot_needs_the_card_and_an_entailment_label(make_folder: Callable[..., Path]) -> None:
    labels = {"0": "contradiction", "1": "neutral", "2": "ENTAILMENT"}
    folder = make_folder(config("BertForSequenceClassification", id2label=labels))
    assert infer_task(folder) == "text-classification"
    assert infer_task(card(folder, "zero-shot-classification")) == "zero-shot-classification"
    folder = make_folder(config("BertForSequenceClassification", id2label={"0": "a", "1": "b"}))
    assert infer_task(folder) == "text-classification"


def test_the_card_helps_where_the_architecture_does_not(make_folder: Callable[..., Path]) -> None:
    assert infer_task(card(make_folder(), "feature-extraction")) == "feature-extraction"


def test_a_task_that_cannot_be_told_is_an_error(make_folder: Callable[..., Path]) -> None:
    with pytest.raises(LoadFailed, match="cannot be determined from architecture 'GPT2LMHead' and pipeline tag ''"):
        infer_task(make_folder(config("GPT2LMHead")))


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "WhisperForConditionalGeneration"])
def test_a_generative_model_is_called_one(name: str, make_folder: Callable[..., Path]) -> None:
    with pytest.raises(LoadFailed, match=rf"generative model \({name}\).* set the task to one of: feature-extraction"):
        infer_task(make_folder(config(name)))


def test_unknown_tasks_are_refused_with_a_suggestion(make_folder: Any, make_spec: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="'feature-extracton'; did you mean 'feature-extraction'"):
        head_for("feature-extracton")
    with pytest.raises(InvalidConfiguration, match=f"known are {', '.join(KNOWN_TASKS)}"):
        build_task("painting", make_folder(), make_spec())


def test_a_task_that_does_not_fit_the_head_is_refused(make_folder: Any, make_spec: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="needs a checkpoint with the head 'embedding', this one has 'mas"):
        build_task("feature-extraction", make_folder(), make_spec("masked-lm"))


def test_an_encoder_without_the_output_is_refused(make_folder: Any) -> None:
    spec = EncoderSpec("bert", "embedding", (EncoderOutput("last_hidden_state", "token", 4),), 64)
    with pytest.raises(LoadFailed, match="needs the encoder output 'embedding'; this encoder has: last_hidden_state"):
        build_task("feature-extraction", make_folder(), spec)


def test_a_config_that_cannot_be_read_is_named(make_folder: Callable[..., Path]) -> None:
    folder = make_folder()
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(LoadFailed, match=r"cannot read .*config\.json: Is a directory"):
        infer_task(folder)


def test_a_damaged_config_is_named(make_folder: Callable[..., Path]) -> None:
    folder = make_folder()
    (folder / "config.json").write_text("{")
    with pytest.raises(LoadFailed, match=r"config\.json is not valid JSON"):
        infer_task(folder)
