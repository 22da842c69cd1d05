"""Packing: what goes into one run, what comes out for each text, and who is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_graphs import HIDDEN, TYPES, VOCABULARY, load_encoder, open_encoder, packed_spec, write_packed_graph

from naiad.backends.onnxruntime.encoders.encoder import Encoder
from naiad.backends.onnxruntime.encoders.float_session import FloatSession
from naiad.backends.onnxruntime.encoders.packed import PackedForm, split_packs
from naiad.backends.onnxruntime.session import open_session
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens
from naiad.core.encoding.pack import Pack
from naiad.core.errors import InvalidRequest, LoadFailed, ModelFailed


def text(*ids: int, outputs: tuple[str, ...] = ("embedding",), **more: Any) -> TextTokens:
    return TextTokens(np.array(ids, np.int64), outputs, **more)


@pytest.fixture
def encoder(tmp_path: Path) -> Any:
    return open_encoder(write_packed_graph(tmp_path), packed_spec())


def feeds(*items: TextTokens, offset: int = 0) -> dict[str, list[int]]:
    pack = Pack(items, packed_spec(position_offset=offset), {"type_ids", "rows", "positions"})
    return {name: array.tolist() for name, array in pack.feeds().items()}


def test_what_a_pack_feeds() -> None:
    items = (
        text(5, 6, 7),
        text(8, type_ids=np.array([1]), rows=np.array([0])),
        text(9, 10, rows=np.array([1, 0])),
    )
    assert feeds(*items) == {
        "input_ids": [5, 6, 7, 8, 9, 10],
        "segments": [0, 0, 0, 1, 2, 2],
        "positions": [0, 1, 2, 0, 0, 1],
        "starts": [0, 3, 4],
        "type_ids": [0, 0, 0, 1, 0, 0],
        "rows": [3, 5, 4],
    }


def test_positions_that_begin_later() -> None:
    assert feeds(text(5, 6), text(7), offset=2)["positions"] == [2, 3, 2]


def test_padding_tokens_in_the_text_take_no_position() -> None:
    """RoBERTa and its kin: 1 is the padding token, and its position as well."""
    assert feeds(text(5, 1, 6), text(1, 7), offset=2)["positions"] == [2, 1, 3, 1, 2]


def test_inputs_are_int64() -> None:
    pack = Pack([TextTokens(np.array([1, 2], np.int32), ())], packed_spec(), {"rows", "type_ids"})
    assert {array.dtype for array in pack.feeds().values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize(
    ("lengths", "packs"),
    [
        ([], []),
        ([3], [[3]]),
        ([60, 60, 8, 1], [[60, 60, 8], [1]]),
        ([128, 1, 127], [[128], [1, 127]]),
        ([200, 5, 300, 5, 5], [[200], [5], [300], [5, 5]]),
    ],
)
def test_packs_end_at_their_budget(lengths: list[int], packs: list[list[int]]) -> None:
    items = [text(*range(length)) for length in lengths]
    assert packs == [[item.tokens for item in pack] for pack in split_packs(items, 128)]


def test_each_sequence_gets_what_it_asked_for(encoder: Any) -> None:
    items = [
        text(1, 2, 3),
        text(4, outputs=("last_hidden_state", "embedding")),
        text(5, 6, outputs=("logits",), rows=np.array([1])),
        text(7, outputs=("logits",)),
    ]
    results = encoder.execute(Batch(items))
    shapes = [{name: array.shape for name, array in result.items()} for result in results if isinstance(result, dict)]
    assert shapes == [
        {"embedding": (HIDDEN,)},
        {"last_hidden_state": (1, HIDDEN), "embedding": (HIDDEN,)},
        {"logits": (1, HIDDEN)},
        {"logits": (0, HIDDEN)},
    ]


def test_more_than_a_pack(encoder: Any) -> None:
    """The answers of several packs come back in order."""
    random = np.random.default_rng(0)
    items = [text(*random.integers(0, VOCABULARY, length)) for length in (50, 70, 30, 140, 2, 100, 40)]
    together = encoder.execute(Batch(items))
    for item, result in zip(items, together, strict=True):
        (alone,) = encoder.execute(Batch([item]))
        assert isinstance(alone, dict)
        assert isinstance(result, dict)
        assert np.array_equal(alone["embedding"], result["embedding"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (text(), "has 0 tokens; this model takes 1 to 150"),
        (text(*[1] * 151), "has 151 tokens"),
        (text(1, outputs=("pooled",)), "has no output pooled; it has embedding, "),
        (text(1, outputs=()), "was asked for no output"),
        (text(VOCABULARY), f"not between 0 and {VOCABULARY - 1}"),
        (text(1, -1), "token id is not between"),
        (text(1, rows=np.array([1])), "outside the text's 1 tokens"),
        (text(1, rows=np.array([-1])), "outside the text's 1 tokens"),
        (text(1, type_ids=np.array([0, 0])), "2 type ids for 1 tokens"),
        (text(1, type_ids=np.array([TYPES])), f"type id is not between 0 and {TYPES - 1}"),
    ],
)
def test_a_wrong_sequence_stands_alone(wrong: TextTokens, words: str, encoder: Any) -> None:
    good = text(1, 2)
    (expected,) = encoder.execute(Batch([good]))
    first, error, last = encoder.execute(Batch([good, wrong, good]))
    assert isinstance(error, InvalidRequest)
    assert words in error.message
    for result in (first, last):
        assert isinstance(result, dict)
        assert isinstance(expected, dict)
        assert np.array_equal(expected["embedding"], result["embedding"])


def test_nothing_but_wrong_sequences(encoder: Any) -> None:
    assert [InvalidRequest] == [type(result) for result in encoder.execute(Batch([text()]))]


def test_a_token_that_a_sequence_must_hold(tmp_path: Path) -> None:
    """A classifier that reads the end of a text refuses a text without one, and that one only."""
    encoder = open_encoder(write_packed_graph(tmp_path), packed_spec(needed_token=2))
    held, missing, several = encoder.execute(Batch([text(5, 2), text(5, 6), text(2, 2)]))
    assert isinstance(held, dict)
    assert isinstance(several, dict)
    assert isinstance(missing, InvalidRequest)
    assert "the token 2" in missing.message


def test_type_ids_mean_nothing_to_some(tmp_path: Path) -> None:
    """RoBERTa has one type; what a tokenizer says of types is not its business."""
    encoder = open_encoder(write_packed_graph(tmp_path), packed_spec(uses_type_ids=False, type_vocabulary=1))
    plain, typed = encoder.execute(Batch([text(4, 5), text(4, 5, type_ids=np.array([0, 1]))]))
    assert isinstance(plain, dict)
    assert isinstance(typed, dict)
    assert np.array_equal(plain["embedding"], typed["embedding"])


def test_stamps(tmp_path: Path) -> None:
    ticks = iter([3.0, 5.0])
    session = open_session(write_packed_graph(tmp_path))
    form = PackedForm(packed_spec(), [node.name for node in session.get_inputs()])
    encoder: Any = Encoder(FloatSession(session), form, clock=lambda: next(ticks))
    batch = Batch([text(1)])
    encoder.execute(batch)
    assert (batch.input_ready_s, batch.output_ready_s) == (3.0, 5.0)


def test_the_runtime_fails(tmp_path: Path) -> None:
    """A vocabulary that the spec does not tell cannot be checked beforehand."""
    encoder = open_encoder(write_packed_graph(tmp_path), packed_spec(vocabulary=0))
    with pytest.raises(ModelFailed, match="failed on 1 tokens"):
        encoder.execute(Batch([text(VOCABULARY)]))


def test_instances_share_a_session(tmp_path: Path) -> None:
    graph = write_packed_graph(tmp_path)
    instances: Any = load_encoder(graph, packed_spec(), count=3, wide_threads=2, prepared_in=tmp_path)
    assert len(instances.narrow) == 3
    assert instances.wide is not None
    item = text(1, 2, 3)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda one: one.execute(Batch([item]))[0], instances.all * 5))
    answers = [result["embedding"].tobytes() for result in results if isinstance(result, dict)]
    assert len(answers) == 20
    assert len(set(answers)) == 1
    instances.close()


def test_one_core_needs_no_wide_one(tmp_path: Path) -> None:
    instances: Any = load_encoder(write_packed_graph(tmp_path), packed_spec(), count=2)
    assert instances.wide is None


def test_a_damaged_graph(tmp_path: Path) -> None:
    path = write_packed_graph(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(LoadFailed, match=r"model\.onnx: ONNX Runtime cannot load"):
        load_encoder(path, packed_spec(), prepared_in=tmp_path)
