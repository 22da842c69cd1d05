"""int8: an answer never depends on its batch mates, stays close to float32, and is exact on machines without VNNI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CONFIG, HIDDEN, random_weights, run, texts, write_checkpoint

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.encoder import quantize
from naiad.convert.opening import open_encoder

LENGTHS = (5, 1, 33, 12, 90, 2, 47, 61, 128, 150, 7, 3, 20)


def pretend(monkeypatch: pytest.MonkeyPatch, *, signed: bool) -> None:
    for module in ("quantize", "build"):
        monkeypatch.setattr(f"naiad.convert.encoder.{module}.has_fast_signed_products", lambda: signed)


def open_both(folder: Path) -> tuple[Any, Any]:
    exact, rounded = convert_checkpoint(folder), convert_checkpoint(folder, quantize="int8")
    return open_encoder(exact.graph, exact.spec), open_encoder(rounded.graph, rounded.spec)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu", "tanh"])
def test_close_to_float32(activation: str, tmp_path: Path) -> None:
    exact, rounded = open_both(write_checkpoint(tmp_path, random_weights(), {**CONFIG, "hidden_act": activation}))
    items = texts(*LENGTHS, outputs=("embedding",))
    for wanted, got in zip(run(exact, items), run(rounded, items), strict=True):
        one, other = wanted["embedding"], got["embedding"]
        assert not np.array_equal(one, other)
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.995


@pytest.mark.parametrize("signed", [True, False])
def test_batch_mates_do_not_matter(signed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, signed=signed)
    converted = convert_checkpoint(write_checkpoint(tmp_path, random_weights()), quantize="int8")
    encoder = open_encoder(converted.graph, converted.spec)
    items = texts(*LENGTHS)
    alone = [run(encoder, [item])[0] for item in items]
    for order in (range(len(items)), reversed(range(len(items))), np.random.default_rng(0).permutation(len(items))):
        places = list(order)
        together = run(encoder, [items[place] for place in places])
        for place, result in zip(places, together, strict=True):
            for name, array in result.items():
                assert np.abs(alone[place][name] - array).max() <= 1e-6


def test_an_outlier_channel_does_not_drown_the_others(tmp_path: Path) -> None:
    """One channel of every LayerNorm reaches 40 times farther, as in real checkpoints; balancing takes it up."""
    weights = random_weights()
    for name, array in weights.items():
        if name.endswith("LayerNorm.weight"):
            array[5] = 40.0
        elif name.endswith(("query.weight", "key.weight", "value.weight", "intermediate.dense.weight")):
            array[:, 5] /= 40.0
    exact, rounded = open_both(write_checkpoint(tmp_path, weights))
    others = np.arange(HIDDEN) != 5
    for wanted, got in zip(run(exact, texts(*LENGTHS)), run(rounded, texts(*LENGTHS)), strict=True):
        one, other = wanted["embedding"][others], got["embedding"][others]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99


def test_both_kinds_of_integers_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed and unsigned weights are the same numbers; they are cached apart."""
    if not quantize.has_fast_signed_products():
        pytest.skip("products of signed weights are not exact on this processor, which has no VNNI")
    folder = write_checkpoint(tmp_path, random_weights())
    results, graphs = [], set()
    for signed in (True, False):
        pretend(monkeypatch, signed=signed)
        converted = convert_checkpoint(folder, quantize="int8")
        graphs.add(converted.graph.parent.name)
        results.append(run(open_encoder(converted.graph, converted.spec), texts(9, 40)))
    assert len(graphs) == 2
    for one, other in zip(*results, strict=True):
        assert np.abs(one["embedding"] - other["embedding"]).max() <= 1e-5


def test_a_row_of_zeros_stays_zeros(tmp_path: Path) -> None:
    weights = {name: np.zeros_like(array) if "LayerNorm" in name else array for name, array in random_weights().items()}
    _, rounded = open_both(write_checkpoint(tmp_path, weights))
    for result in run(rounded, texts(4, 8)):
        assert not result["last_hidden_state"].any()


@pytest.mark.parametrize(
    ("machine", "text", "expected"),
    [
        ("x86_64", "flags : avx512_vnni", True),
        ("x86_64", "flags : avx2", False),
        ("x86_64", None, False),
        ("aarch64", None, True),
    ],
)
def test_which_machines_multiply_signed(
    machine: str, text: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_path: Path, **_options: str) -> str:
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read)
    assert quantize.has_fast_signed_products() is expected
