"""What each exporter's outputs mean; what cannot be told is refused with the list."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.convert.onnx_outputs import Sizes, choose_outputs
from naiad.core.errors import LoadFailed

SIZES = Sizes(hidden=4, labels=3, vocabulary=30)

STATES = ("b", "t", 4)
VECTOR = ("b", 4)

EMBEDDINGS: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "optimum": ({"last_hidden_state": STATES}, {"embedding": "last_hidden_state"}, False),
    "optimum, with a pooler": (
        {"last_hidden_state": STATES, "pooler_output": VECTOR},
        {"embedding": "last_hidden_state"},
        False,
    ),
    "sentence-transformers": (
        {"token_embeddings": STATES, "sentence_embedding": ("b", 2)},
        {"embedding": "sentence_embedding", "last_hidden_state": "token_embeddings"},
        True,
    ),
    "BGE-M3": (
        {"dense_vecs": VECTOR, "sparse_vecs": ("b", "t", 1), "colbert_vecs": ("b", "u", 7)},
        {"embedding": "dense_vecs", "sparse_vecs": "sparse_vecs", "colbert_vecs": "colbert_vecs"},
        True,
    ),
    "sparse over the vocabulary, first": (
        {"sparse_embedding": ("b", 30), "dense_embedding": VECTOR},
        {"embedding": "dense_embedding", "sparse_vecs": "sparse_embedding"},
        True,
    ),
    "all hidden states, the last named": (
        {f"hidden_states.{n}": STATES for n in range(3)} | {"last_hidden_state": STATES},
        {"embedding": "last_hidden_state"},
        False,
    ),
    "attention first": (
        {"attentions": ("b", 2, "t", "t"), "output_1": STATES},
        {"embedding": "output_1"},
        False,
    ),
    "another width first": (
        {"residual": ("b", "t", 9), "output": STATES},
        {"embedding": "output"},
        False,
    ),
    "one output of a number's name": ({"1234": ("b", "t", "h")}, {"embedding": "1234"}, False),
    "token states called text_embeds": ({"text_embeds": STATES, "13049": VECTOR}, {"embedding": "text_embeds"}, False),
    "CLIP": (
        {"text_embeds": ("b", 2), "last_hidden_state": STATES, "pooler_output": VECTOR},
        {"embedding": "text_embeds", "last_hidden_state": "last_hidden_state"},
        True,
    ),
    "a vector without a name": ({"output": VECTOR}, {"embedding": "output"}, True),
    "the pooler alone": ({"pooler_output": VECTOR}, {"embedding": "pooler_output"}, True),
    "an old exporter's endings": ({"last_hidden_state:0": STATES}, {"embedding": "last_hidden_state:0"}, False),
    "a shape that the file does not say": ({"last_hidden_state": ()}, {"embedding": "last_hidden_state"}, False),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_embeddings(name: str) -> None:
    outputs, expected, is_ready = EMBEDDINGS[name]
    chosen = choose_outputs(outputs, "embedding", SIZES)
    if not is_ready:
        expected = {**expected, "last_hidden_state": expected["embedding"]}
    assert expected == {ours: theirs[0] for ours, theirs in chosen.sources.items()}
    assert is_ready == chosen.is_ready
    assert chosen.outputs[0].name == "embedding"
    assert {output.name for output in chosen.outputs} == set(expected)


def test_kinds_of_bge_m3() -> None:
    outputs = {"dense_vecs": VECTOR, "sparse_vecs": ("b", "t", 1), "colbert_vecs": ("b", "u", 7)}
    found = {each.name: (each.granularity, each.width) for each in choose_outputs(outputs, "embedding", SIZES).outputs}
    assert found == {"embedding": ("item", 4), "sparse_vecs": ("token", 1), "colbert_vecs": ("token", 7)}


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"a": STATES, "b": STATES}, r"outputs are a \(b, t, 4\), b \(b, t, 4\); none of them is an embedding"),
        ({f"hidden_states.{n}": STATES for n in range(3)}, "none of them is an embedding for certain"),
        ({"logits": ("b", "t", 30)}, "none of them is an embedding"),
        ({"embedding": VECTOR, "text_embeds": VECTOR}, "Choose one with `output: NAME` in naiad.yaml"),
        ({"a": VECTOR, "b": VECTOR}, "none of them is an embedding"),
        ({"output": ("b", 9)}, "none of them is an embedding"),
        ({"output": ()}, r"output \(shape unknown\)"),
        ({"last_hidden_state": VECTOR}, "none of them is an embedding"),
    ],
)
def test_what_cannot_be_told(outputs: dict[str, Any], words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        choose_outputs(outputs, "embedding", SIZES)


def test_a_pooler_is_not_what_modules_ask_for() -> None:
    with pytest.raises(LoadFailed, match=r"modules\.json pools token states.*pooler_output is something else"):
        choose_outputs({"pooler_output": VECTOR}, "embedding", Sizes(4, 3, 30, has_modules=True))


@pytest.mark.parametrize(
    ("wanted", "source", "is_ready"),
    [("pooler_output", "pooler_output", True), ("hidden_states.1", "hidden_states.1", False)],
)
def test_the_manifest_chooses(wanted: str, source: str, is_ready: bool) -> None:
    outputs = {"last_hidden_state": STATES, "pooler_output": VECTOR, "hidden_states.1": STATES}
    chosen = choose_outputs(outputs, "embedding", SIZES, wanted)
    assert ((source,), is_ready) == (chosen.sources["embedding"], chosen.is_ready)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("nowhere", "output: the ONNX file has no output 'nowhere'; there are last"), ("attentions", "is of rank 4")],
)
def test_a_wrong_choice(wanted: str, words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        choose_outputs({"last_hidden_state": STATES, "attentions": ("b", 2, "t", "t")}, "embedding", SIZES, wanted)


@pytest.mark.parametrize(
    ("head", "outputs", "expected"),
    [
        ("sequence-classification", {"hidden_states.0": STATES, "logits": ("b", 3)}, ("logits", "item", 3)),
        ("sequence-classification", {"output_0": ("b", 3), "pooled": ("b", 9)}, ("output_0", "item", 3)),
        ("token-classification", {"last_hidden_state": STATES, "logits": ("b", "t", "n")}, ("logits", "token", 3)),
        ("masked-lm", {"seq_relationship_logits": ("b", 2), "prediction_logits": ("b", "t", 30)},
         ("prediction_logits", "row", 30)),
        ("question-answering", {"logits": ("b", "t", 2)}, ("logits", "token", 2)),
    ],
)  # fmt: skip
def test_logits(head: str, outputs: dict[str, Any], expected: tuple[str, str, int]) -> None:
    chosen = choose_outputs(outputs, head, SIZES)
    (output,) = chosen.outputs
    assert expected == (chosen.sources["logits"][0], output.granularity, output.width)


def test_start_and_end() -> None:
    chosen = choose_outputs({"end_logits": ("b", "t"), "start_logits": ("b", "t")}, "question-answering", SIZES)
    assert chosen.sources == {"logits": ("start_logits", "end_logits")}


def test_one_label_squeezed_away() -> None:
    chosen = choose_outputs({"logits": ("b",)}, "sequence-classification", Sizes(4, 1, 30))
    assert chosen.outputs[0].width == 1


@pytest.mark.parametrize("outputs", [{"logits": STATES}, {"probabilities": ("b", 3)}, {"a": ("b", 3), "b": ("b", 3)}])
def test_no_logits_for_certain(outputs: dict[str, Any]) -> None:
    with pytest.raises(LoadFailed, match="the head sequence-classification needs `logits` of rank 2"):
        choose_outputs(outputs, "sequence-classification", SIZES)
