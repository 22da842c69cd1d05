"""What runs cost: measured at the first start, found at the second, never a reason not to start."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naiad.core.contracts import Batch, Instances
from naiad.loading.learning import BatchSizes, describe, learn_batching
from naiad.scheduling.learned.batching import LearnedBatching
from naiad.scheduling.learned.curve import Curve, Times
from naiad.scheduling.learned.rule import LearnedRule


class Lengths:
    """Texts that are their own lengths."""

    def size_near(self, tokens: int) -> int:
        return tokens

    def make(self, sizes: Sequence[int]) -> list[int]:
        return list(sizes)


class Counting:
    """An instance that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def execute(self, batch: Batch[int]) -> list[Any]:
        self.runs += 1
        return list(batch.items)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr("naiad.scheduling.learned.measuring.UNDISTURBED", 0.0)


def learn(notes: Path | None, *, limit: int = 512) -> tuple[LearnedBatching | None, Counting]:
    instance = Counting()
    instances: Instances[int] = Instances((instance,), samples=Lengths(), notes=notes)
    return learn_batching("m", instances, BatchSizes(limit, assumed=160)), instance


def test_a_second_start_measures_nothing(tmp_path: Path) -> None:
    first, measured = learn(tmp_path / "prepared")
    second, found = learn(tmp_path / "prepared")
    assert first is not None
    assert second is not None
    assert measured.runs > 0
    assert found.runs == 0
    assert first.curve == second.curve


def test_what_was_measured_while_other_work_ran_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.scheduling.learned.measuring.UNDISTURBED", math.inf)
    assert learn(tmp_path)[0] is not None
    assert learn(tmp_path)[1].runs > 0
    assert list(tmp_path.iterdir()) == []


def test_other_instances_are_another_measurement(tmp_path: Path) -> None:
    learn(tmp_path)
    instances: Instances[int] = Instances((Counting(), Counting()), samples=Lengths(), notes=tmp_path)
    learn_batching("m", instances, BatchSizes(512, assumed=160))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    learn(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text('{"alone": [[32')
    again, instance = learn(tmp_path)
    assert again is not None
    assert instance.runs > 0
    assert Curve.from_json(file.read_text()) == again.curve


def test_a_folder_that_cannot_be_written_sends_the_times_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    learn(blocked / "prepared")
    assert learn(blocked / "prepared")[1].runs == 0


def test_where_nothing_can_be_written_each_start_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NAIAD_CACHE", str(blocked))
    for _ in range(2):
        batching, instance = learn(blocked / "prepared")
        assert batching is not None
        assert instance.runs > 0


def test_instances_that_nothing_is_made_up_for_are_not_measured() -> None:
    instances: Instances[int] = Instances((Counting(),))
    assert learn_batching("m", instances, BatchSizes(512, assumed=160)) is None


def test_no_more_than_was_measured_or_is_usual(tmp_path: Path) -> None:
    """Lines go on beyond the last measurement, but a size that nobody has tried is not chosen for its line."""
    times, short = Times(((32, 1.0),)), Times(((64, 1.0),))
    notes = tmp_path
    learn(notes)
    (file,) = notes.iterdir()
    file.write_text(Curve(times, short, times, short).to_json())
    batching, _ = learn(notes)
    assert batching is not None
    assert batching.rule.limit == 160


CURVE = Curve(
    alone=Times(((32, 0.00128), (128, 0.005))),
    together=Times(((64, 0.002), (256, 0.0074))),
    busy_alone=Times(((32, 0.00128), (128, 0.005))),
    busy_together=Times(((64, 0.0024), (256, 0.0074))),
    wide=Times(((32, 0.0008),)),
)


def test_the_choice_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.loading.learning.available_cores", lambda: 2)
    packs = LearnedBatching(LearnedRule(CURVE, instances=2, limit=256))
    assert describe(packs) == "packs of up to 224 tokens (2.9 ms/100 tokens together, 4.0 alone); lone texts on 2 cores"
    dear = Times(((64, 0.0034), (256, 0.0134)))
    alone = LearnedBatching(LearnedRule(replace(CURVE, busy_together=dear, wide=Times()), instances=2, limit=256))
    assert describe(alone) == ("one text at a time (4.0 ms/100 tokens alone, 5.2 together); lone texts on one core")


def test_the_log_says_what_was_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "naiad.loading"):
        learn(tmp_path)
    assert caplog.messages[-1].startswith("m: ")
    assert "lone texts on one core" in caplog.messages[-1]
