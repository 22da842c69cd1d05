"""Texts in lanes: whatever their lengths, each lies in one lane, and no layout costs more than one row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec, TextTokens
from naiad.core.encoding.lanes import Lanes, lay_out
from naiad.core.encoding.pack import Pack

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("lengths", "lanes"),
    [
        ([7], Lanes([range(1)], 7)),
        ([30, 30, 30, 30], Lanes([[0], [1], [2], [3]], 30)),
        ([60, 30, 30], Lanes([[0], [1, 2]], 60)),
        ([200, 3, 4], Lanes([range(3)], 207)),  # two lanes of 200 would be nearly twice the tokens
    ],
)
def test_layouts(lengths: list[int], lanes: Lanes) -> None:
    found = lay_out(lengths, 250)
    assert (list(map(list, found.texts)), found.width) == (list(map(list, lanes.texts)), lanes.width)


def test_attention_decides_how_much_is_filled() -> None:
    """Where attention is cheap, lanes are few and full."""
    lengths = [50, 30, 30, 20]
    costly, cheap = lay_out(lengths, 20), lay_out(lengths, 5000)
    assert costly.width < cheap.width
    assert costly.tokens >= cheap.tokens == sum(lengths)


@given(LENGTHS, st.integers(1, 5000), st.sampled_from([0, 128, 512]))
def test_every_text_lies_in_one_lane_and_no_layout_costs_more_than_a_row(
    lengths: list[int], pairs: int, limit: int
) -> None:
    found, total = lay_out(lengths, pairs, limit), sum(lengths)
    assert sorted(number for lane in found.texts for number in lane) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in lane) <= found.width for lane in found.texts)
    assert found.cost(pairs) <= total * (pairs + total)
    assert len(found.texts) == 1 or not limit or found.tokens <= limit


@given(LENGTHS, st.booleans())
def test_a_pack_in_lanes_is_filled_with_texts_and_gives_each_item_its_own(lengths: list[int], offset: bool) -> None:
    outputs = (EncoderOutput("embedding", "item", 1), EncoderOutput("last_hidden_state", "token", 1))
    spec = EncoderSpec("bert", "embedding", outputs, 300, position_offset=2 * offset, pairs_per_token=50)
    names = ("embedding", "last_hidden_state")
    items = [TextTokens(np.arange(length) + 1000 * (n + 3), names) for n, length in enumerate(lengths)]
    pack = Pack(items, spec, {"lanes", "positions"})
    feeds = pack.feeds()
    tokens, lanes = len(feeds["input_ids"]), int(feeds["lanes"][0])
    assert tokens == pack.tokens
    assert tokens % lanes == 0
    segments, width = feeds["segments"].reshape(lanes, -1), tokens // lanes
    assert len(np.unique(segments)) == sum(len(np.unique(lane)) for lane in segments), "no text lies in two lanes"
    assert (np.diff(feeds["segments"]) >= 0).all()
    assert feeds["starts"].tolist() == [np.flatnonzero(feeds["segments"] == n)[0] for n in range(len(feeds["starts"]))]
    assert feeds["positions"].max() - 2 * offset < max(lengths) <= width
    given_out = {"embedding": feeds["input_ids"][feeds["starts"]], "last_hidden_state": feeds["input_ids"]}
    for item, result in zip(items, pack.split(given_out), strict=True):
        assert result["embedding"] == item.input_ids[0]
        assert result["last_hidden_state"].tolist() == item.input_ids.tolist()
