"""From a source to models to load: what is found in it, and what is refused before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.settings.config import ModelSettings
from naiad.loading.plan import PlannedModel, plan
from naiad.loading.sources import Sources
from naiad.repository import FetchSettings, ModelEntry
from naiad.testing import running_server, tiny_checkpoint

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"


def planned(source: Path, settings: ModelSettings | None = None, **entry: str) -> list[PlannedModel]:
    """Everything that a source offers."""
    survey = Sources([ModelEntry.from_source(str(source), **entry)]).survey()
    for error in survey.problems.values():
        raise error
    origins = [origin for origins in survey.origins.values() for origin in origins]
    return [model for origin in origins for model in plan(origin, FetchSettings(), settings or ModelSettings()).models]


def copy_of(name: str, folder: Path) -> Path:
    shutil.copytree(REPOSITORY / name, folder / name)
    return folder / name


def test_a_repository_is_all_its_models_a_model_folder_is_one() -> None:
    assert [model.name for model in planned(REPOSITORY)] == sorted(path.name for path in REPOSITORY.iterdir())
    assert [(model.name, model.version) for model in planned(REPOSITORY / "simple")] == [("simple", "1")]


def test_a_checkpoint_is_one_model(tmp_path: Path) -> None:
    (model,) = planned(tiny_checkpoint(tmp_path / "tiny"))
    assert (model.name, model.version) == ("tiny", "1")


def test_versions_follow_the_policy(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    shutil.copytree(folder / "1", folder / "3")
    shutil.copytree(folder / "1", folder / "12")
    assert [model.version for model in planned(folder)] == ["12"]
    with (folder / "config.pbtxt").open("a") as config:
        config.write("version_policy { specific { versions: [1, 12] } }\n")
    assert [model.version for model in planned(folder)] == ["1", "12"]


def test_a_broken_config_is_found_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    (folder / "config.pbtxt").write_text("max_batch_sze: 8")
    with pytest.raises(InvalidConfiguration, match="max_batch_size"):
        planned(folder)


@pytest.mark.parametrize("text", ["max_batch_size: -1", 'max_batch_size: -1 input { name: "x" }'])
def test_a_negative_batch_is_found_before_anything_is_loaded(tmp_path: Path, text: str) -> None:
    folder = copy_of("simple", tmp_path)
    (folder / "config.pbtxt").write_text(text)
    with pytest.raises(InvalidConfiguration, match="'max_batch_size' must be non-negative"):
        planned(folder)


def test_the_config_must_name_its_folder(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path).rename(tmp_path / "other")
    with pytest.raises(InvalidConfiguration, match="unexpected directory name 'other' for model 'simple'"):
        planned(folder)


def test_an_entry_may_rename_a_model_folder(tmp_path: Path) -> None:
    (model,) = planned(copy_of("simple", tmp_path), name="mine")
    (served,) = model.load()
    assert (served.name, served.config.document["name"]) == ("mine", "mine")
    served.close()


def test_a_repository_has_no_name_of_its_own() -> None:
    with pytest.raises(InvalidConfiguration, match=r"repository of \d+ models, which have their own names"):
        planned(REPOSITORY, name="mine")


def test_only_numbers_without_leading_zero_are_versions_and_strange_files_are_ignored(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    for name in ("02", "0", "x", ".3", "-4"):
        shutil.copytree(folder / "1", folder / name)
    (folder / "notes.txt").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "config.pbtxt").write_text("")
    (tmp_path / "no model").mkdir()
    (tmp_path / "README.md").write_text("")
    assert [(model.name, model.version) for model in planned(tmp_path)] == [("simple", "1")]


def test_no_version_is_a_failure_of_loading(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    shutil.rmtree(folder / "1")
    with pytest.raises(LoadFailed, match="at least one version must be available under the version policy"):
        planned(folder)


def test_another_configuration_by_name(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    (folder / "configs").mkdir()
    (folder / "configs" / "big.pbtxt").write_text("max_batch_size: 64")
    for name, rows in {"big": 64, "unknown": 8, "": 8}.items():
        (served,) = planned(folder, ModelSettings.of(model_config_name=name))[0].load()
        assert served.config.max_batch_size == rows
        served.close()
    with pytest.raises(InvalidConfiguration, match=r"'\.\./x' must be relative"):
        planned(folder, ModelSettings.of(model_config_name="../x"))


def test_without_auto_complete_the_configuration_must_be_whole(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    settings = ModelSettings.of(auto_complete_config=False)
    (served,) = planned(folder, settings)[0].load()
    assert served.config.max_batch_size == 8
    served.close()
    (folder / "config.pbtxt").unlink()
    with pytest.raises(InvalidConfiguration, match="--no-auto-complete-config requires one"):
        planned(folder, settings)
    (served,) = planned(folder)[0].load()
    assert [tensor.name for tensor in served.config.inputs] == ["INPUT0", "INPUT1"]
    served.close()


@pytest.mark.parametrize("option", ["onnxruntime,default-max-batch-size=6", ",default-max-batch-size=6"])
def test_backends_are_told_their_settings(tmp_path: Path, option: str) -> None:
    folder = copy_of("simple", tmp_path)
    (folder / "config.pbtxt").unlink()
    (served,) = planned(folder, ModelSettings.of(backend_config=(option,)))[0].load()
    assert served.config.max_batch_size == 6
    served.close()


def test_the_state_of_a_plan_tells_whether_files_have_changed(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    (origin,) = Sources([ModelEntry.from_source(str(folder))]).survey().origins["simple"]

    def state() -> object:
        return plan(origin, FetchSettings(), ModelSettings()).state

    before = state()
    assert before == state()
    (folder / "config.pbtxt").write_text((folder / "config.pbtxt").read_text() + "\n")
    assert before != state()


def test_labels_are_read_and_their_absence_is_named(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    config = folder / "config.pbtxt"
    config.write_text(config.read_text().replace('"OUTPUT0"', '"OUTPUT0" label_filename: "names.txt"'))
    with pytest.raises((LoadFailed, InvalidConfiguration), match=r"names\.txt"):
        planned(folder)[0].load()
    (folder / "names.txt").write_text("zero\none\n")
    (model,) = planned(folder)[0].load()
    assert model.labels == {"OUTPUT0": ["zero", "one"]}  # type: ignore[attr-defined]
    model.close()


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"device 'cuda' cannot be used.*auto, cpu"):
        planned(tiny_checkpoint(tmp_path / "tiny"), device="cuda")


def test_a_model_that_names_no_backend_we_have_does_not_stop_the_others(tmp_path: Path) -> None:
    copy_of("simple", tmp_path)
    shutil.copytree(tmp_path / "simple", tmp_path / "other")
    (tmp_path / "other" / "config.pbtxt").write_text('backend: "tensorrt"\n')
    with running_server(str(tmp_path)) as server:
        rows = {row["name"]: row for row in server.server.catalog.index()}
    assert rows["simple"]["state"] == "READY"
    assert "there is no backend 'tensorrt'" in rows["other"]["reason"]


def test_two_sources_with_one_name_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = copy_of("simple", tmp_path / "a"), copy_of("simple", tmp_path / "b")
    with running_server(str(first), str(second)) as server:
        assert not server.all_loaded
        (row,) = server.server.catalog.index()
    assert row == {"name": "simple", "state": "UNAVAILABLE", "reason": "model appears in two or more repositories"}
    offered = f"'simple' is offered by {first} and {second}"
    assert any(record.message.startswith(offered) for record in caplog.records)
