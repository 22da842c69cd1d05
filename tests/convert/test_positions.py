"""What our graphs read of positions is what `core/encoding/positions.py` says, for exported files and tokenizers."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.convert.encoder.architectures import ARCHITECTURES
from naiad.convert.encoder.config import Config
from naiad.convert.encoder.dimensions import read_dimensions
from naiad.core.encoding.positions import read_positions

UNBOUNDED = ("t5", "mt5")
"""Our graphs of these have an end of their own."""


@pytest.mark.parametrize(
    "given", [{}, {"pad_token_id": 0}, {"pad_token_id": 1, "max_position_embeddings": 514}], ids=str
)
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_both_agree(family: str, given: dict[str, Any]) -> None:
    content = {"model_type": family, **given}
    sizes, positions = read_dimensions(Config(content)), read_positions(content)
    assert sizes.position_offset == positions.offset
    if family not in UNBOUNDED:
        assert sizes.max_tokens == positions.longest
