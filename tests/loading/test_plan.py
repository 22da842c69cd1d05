"""From a source to models to load: what is found in it, and what is refused before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from naiad.core.config import ServerSettings
from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.loading.plan import PlannedModel, plan
from naiad.repository import FetchSettings, ModelEntry
from naiad.testing import running_server, tiny_checkpoint

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"


def planned(source: Path, **entry: str) -> list[PlannedModel]:
    return plan(ModelEntry.from_source(str(source), **entry), FetchSettings(), ServerSettings())


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


def test_a_broken_config_is_one_model_that_fails_when_it_is_loaded(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    (folder / "config.pbtxt").write_text("max_batch_sze: 8")
    (model,) = planned(folder)
    with pytest.raises(InvalidConfiguration, match="max_batch_size"):
        model.load()


def test_labels_are_read_and_their_absence_is_named(tmp_path: Path) -> None:
    folder = copy_of("simple", tmp_path)
    config = folder / "config.pbtxt"
    config.write_text(config.read_text().replace('"OUTPUT0"', '"OUTPUT0" label_filename: "names.txt"'))
    with pytest.raises((LoadFailed, InvalidConfiguration), match=r"names\.txt"):
        planned(folder)[0].load()
    (folder / "names.txt").write_text("zero\none\n")
    (model,) = planned(folder)[0].load()
    assert model._labels == {"OUTPUT0": ["zero", "one"]}  # type: ignore[attr-defined]
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


def test_two_sources_with_one_name_are_told_apart_or_refused(tmp_path: Path) -> None:
    first, second = copy_of("simple", tmp_path / "a"), copy_of("simple", tmp_path / "b")
    with running_server(str(first), str(second)) as server:
        assert not server.all_loaded
        (row,) = server.server.catalog.index()
    assert row["state"] == "UNAVAILABLE"
    assert f"appears in two or more repositories: {first} and {second}" in row["reason"] or (
        f"appears in two or more repositories: {second} and {first}" in row["reason"]
    )
