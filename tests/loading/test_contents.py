"""What models are made of: the same for copies, another one as soon as anything differs that an answer depends on."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from naiad.core.settings.config import ModelSettings
from naiad.loading.contents import load
from naiad.loading.plan import _ASKED, PlannedModel, plan
from naiad.loading.sources import Sources
from naiad.repository import FetchSettings, ModelEntry
from naiad.testing import tiny_checkpoint

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"


def planned(source: Path, settings: ModelSettings | None = None, **entry: Any) -> PlannedModel:
    """The newest version of the only model there."""
    survey = Sources([ModelEntry.from_source(f"m={source}", **entry)]).survey()
    return plan(survey.origins["m"][0], FetchSettings(), settings or ModelSettings()).models[-1]


def contents(source: Path, settings: ModelSettings | None = None, **entry: Any) -> bytes | None:
    models, found = load(planned(source, settings, **entry), reads_contents=True)
    for model in models:
        model.close()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`simple`, asking for the cache."""
    return copy(tmp_path / "one")


def copy(target: Path, source: Path = SIMPLE) -> Path:
    shutil.copytree(source, target)
    config = target / "config.pbtxt"
    if "response_cache" not in config.read_text():
        config.write_text(config.read_text().replace('name: "simple"', "") + "response_cache { enable: true }\n")
    return target


def test_copies_are_made_of_the_same(folder: Path, tmp_path: Path) -> None:
    first = contents(folder)
    assert first is not None
    assert contents(folder) == contents(copy(tmp_path / "elsewhere", folder)) == first


@pytest.mark.parametrize("file", ["1/more.bin", "labels.txt"])
def test_any_file_makes_a_difference(folder: Path, file: str) -> None:
    before = contents(folder)
    (folder / file).write_text("a")
    after = contents(folder)
    (folder / file).write_text("b")
    assert len({before, after, contents(folder)}) == 3


def test_other_versions_and_hidden_files_make_none(folder: Path) -> None:
    shutil.copytree(folder / "1", folder / "5")
    before = contents(folder)
    (folder / "1" / "more.bin").write_text("a")
    (folder / "5" / ".notes").write_text("a")
    assert contents(folder) == before
    (folder / "5" / "more.bin").write_text("a")
    assert contents(folder) != before


def test_who_does_not_ask_for_the_cache_is_not_read(folder: Path) -> None:
    config = folder / "config.pbtxt"
    config.write_text(config.read_text().replace("enable: true", "enable: false"))
    assert contents(folder) is None
    models, found = load(planned(folder), reads_contents=False)
    assert (len(models), found) == (1, None)
    models[0].close()


def test_files_that_change_during_the_load_leave_it_unknown(folder: Path) -> None:
    model = planned(folder)

    def change() -> Any:
        (folder / "1" / "late.bin").write_text("a")
        return model.load()

    changing = PlannedModel(model.name, model.version, change, model.folder)
    models, found = load(changing, reads_contents=True)
    assert found is None
    models[0].close()


def test_what_was_asked_of_a_checkpoint_makes_a_difference(tmp_path: Path) -> None:
    text = tiny_checkpoint(tmp_path)
    plain = planned(text, response_cache=True).asked
    others = [
        planned(text, task="fill-mask").asked,
        planned(text, quantize="int8").asked,
        planned(text, ModelSettings(quantize="int8")).asked,
        planned(text, options={"normalize": False}).asked,
    ]
    assert len({plain, *others}) == 5
    assert planned(text, batching=ModelEntry.from_source("m=.").batching).asked == plain


def test_every_field_of_an_entry_is_asked_for_or_known_to_change_no_answer() -> None:
    harmless = {"source", "name", "token", "allow", "ignore", "allow_code", "device", "is_repository", "batching"}
    assert {field.name for field in fields(ModelEntry)} == {*_ASKED, *harmless, "response_cache"}
