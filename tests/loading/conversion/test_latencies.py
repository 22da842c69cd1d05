"""The latency table: transformer-deploy's statistics and line, and the shapes that are measured."""

from __future__ import annotations

import re

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.loading.conversion.bench.latencies import Latencies, Shape, read_shapes, table_lines
from naiad.loading.conversion.bench.measuring import SETS, batches

ROW = Latencies("ONNX Runtime (FP32)", Shape(8, 128), (0.001, 0.002, 0.003), 5_000_000, 80_000_000, 3e-7)


def test_a_line_reads_as_transformer_deploys() -> None:
    pattern = r"\[ONNX Runtime \(FP32\)\] mean=2\.00ms, sd=0\.82ms, min=1\.00ms, max=3\.00ms, median=2\.00ms, "
    pattern += r"95p=2\.90ms, 99p=2\.98ms, texts/s=4000\.0, disk=5\.0MB, memory=80MB, difference=3e-07"
    assert re.fullmatch(pattern, ROW.line())


def test_the_reference_has_no_difference() -> None:
    row = Latencies("Pytorch (FP32)", Shape(1, 16), (0.001,), 1, 1, None)
    assert "difference" not in row.line()
    assert row.document()["difference"] is None


def test_the_table_is_by_shape_and_names_the_machine() -> None:
    other = Latencies("Pytorch (FP32)", Shape(8, 0), (0.001,), 1, 1, None)
    lines = table_lines("a processor", [ROW, other])
    assert lines[0] == "Inference done on a processor"
    assert lines[1::2] == ["latencies, 8x128:", "latencies, 8 of real length:"]


def test_shapes() -> None:
    assert read_shapes("1x16, 8x128") == (Shape(1, 16), Shape(8, 128))


@pytest.mark.parametrize("text", ["", "8", "0x16", "8x", "axb", "1x16,", "8x128x2"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="--shapes"):
        read_shapes(text)


def test_batches_have_the_shape_and_differ() -> None:
    samples = [{"input_ids": np.arange(1, length + 1)} for length in (5, 40, 3)]
    made = batches(samples, Shape(4, 30))
    assert len(made) == SETS
    assert all(len(batch) == 4 and all(len(sample["input_ids"]) == 30 for sample in batch) for batch in made)
    assert not np.array_equal(made[0][0]["input_ids"], made[1][0]["input_ids"])


def test_no_batch_is_longer_than_the_model_takes() -> None:
    samples = [{"input_ids": np.arange(12)}, {"input_ids": np.arange(3)}]
    assert len(batches(samples, Shape(2, 384))[0][0]["input_ids"]) == 12


def test_real_lengths_are_mixed() -> None:
    samples = [{"input_ids": np.arange(length), "rows": np.array([0])} for length in (5, 40, 3)]
    assert [len(sample["input_ids"]) for sample in batches(samples, Shape(4, 0))[0]] == [5, 40, 3, 5]
