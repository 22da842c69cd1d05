"""What the image runs for the words and variables it is given, those of hieupth/tritonserver among them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from naiad.cli.container.start import plan, provide_temporary_folder
from naiad.core.errors import InvalidConfiguration
from naiad.loading.uploads import clear_uploads

SERVE = ("serve", "org/name")
NO_MODELS = "nothing to serve: name a model"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with one model."""
    (tmp_path / "models" / "simple").mkdir(parents=True)
    return tmp_path / "models"


def words(*given: str, manifest: bool = False, folder: Path | None = None, **environment: str) -> tuple[str, ...]:
    """The words of `naiad`, with files that are there or not."""
    folder = folder or Path("/nonexistent")
    files = (folder / "hfmodels.json", folder / ("naiad.yaml" if manifest else "no.yaml"))
    return plan(given, environment, *files).words


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SERVE, SERVE),
        (("naiad", *SERVE), SERVE),
        (("naiad",), ()),
        (("--version",), ("--version",)),
        (("tritonserver", "--model-repository=/models"), ("triton", "--model-repository=/models")),
        (("/opt/tritonserver/bin/tritonserver", "--http-port", "9"), ("triton", "--http-port", "9")),
        (("health", "--live"), ("health", "--live")),
    ],
)
def test_words_mean_what_they_say(given: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert words(*given) == expected


def test_without_words(models: Path, tmp_path: Path) -> None:
    repository = ("triton", f"--model-repository={models}")
    assert words(MODELS_DIR=str(models)) == repository
    (tmp_path / "naiad.yaml").write_text("models: []")
    assert words(manifest=True, folder=tmp_path) == ("serve",)
    assert words(manifest=True, folder=tmp_path, MODELS_DIR=str(models)) == repository, "asked for by name"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert words(MODELS_DIR=str(empty)) == ("triton", f"--model-repository={empty}"), "as Triton takes it"
    with pytest.raises(InvalidConfiguration, match=NO_MODELS):
        words(MODELS_DIR=str(tmp_path / "missing"))


def test_hub_models_are_added(models: Path, tmp_path: Path) -> None:
    (tmp_path / "hfmodels.json").write_text("{}")
    listed = f"--manifest={tmp_path / 'hfmodels.json'}"
    on = {"ENABLE_HOOK": "true", "ENABLE_HF_MODELS": "true", "HOOKS_DIR": str(tmp_path / "hooks")}
    assert words("tritonserver", "--model-repository=/m", folder=tmp_path, **on)[1:] == (
        "--model-repository=/m",
        listed,
    )
    assert words(*SERVE, folder=tmp_path, **on) == (*SERVE, listed)
    assert words("health", folder=tmp_path, **on) == ("health",)
    missing = str(tmp_path / "missing")
    assert words(folder=tmp_path, MODELS_DIR=missing, **on) == ("triton", listed)
    assert words(folder=tmp_path, MODELS_DIR=str(models), **on)[1:] == (f"--model-repository={models}", listed)
    without = {name: value for name, value in on.items() if name != "ENABLE_HOOK"}
    assert words(*SERVE, folder=tmp_path, **without) == (*SERVE, listed)


def test_a_hook_of_ones_own_goes_before_the_list(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks" / "hfmodels.py"
    hook.write_text("")
    found = plan(SERVE, {"ENABLE_HF_MODELS": "true", "HOOKS_DIR": str(hook.parent)}, tmp_path / "hfmodels.json")
    assert (found.hook, found.words) == (hook, SERVE)


def test_a_hook_that_is_off_is_said(tmp_path: Path) -> None:
    found = plan(SERVE, {"ENABLE_HOOK": "false", "ENABLE_HF_MODELS": "true", "ENABLE_PIP_INSTALL": "1"})
    assert (found.requirements, found.hook, found.words) == (None, None, SERVE)
    assert [note.startswith("ENABLE_HOOK is off, so that") for note in found.notes] == [True]
    assert plan(SERVE, {"ENABLE_HOOK": "false"}).notes == ()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ENABLE_HF_MODELS": "true"}, "ENABLE_HF_MODELS is on, but there is no .*hfmodels.json; mount it"),
        ({"ENABLE_PIP_INSTALL": "true"}, "ENABLE_PIP_INSTALL is on, but there is no .*requirements.txt; mount it"),
        ({"ENABLE_HOOK": "maybe", "ENABLE_HF_MODELS": "true"}, "ENABLE_HOOK=maybe: write true or false"),
        ({"ENABLE_PIP_INSTALL": "2"}, "ENABLE_PIP_INSTALL=2: write true or false"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    places = {"HOOKS_DIR": str(tmp_path), "PIP_REQUIREMENTS_FILE": str(tmp_path / "requirements.txt")}
    with pytest.raises(InvalidConfiguration, match=message):
        plan(SERVE, {**places, **environment}, tmp_path / "hfmodels.json")


def run(*given: str, **environment: str) -> tuple[int, str, str]:
    program = "from naiad.cli.container.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *given],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_hook_runs_first_and_its_failure_ends_the_start(tmp_path: Path) -> None:
    hook = tmp_path / "hfmodels.py"
    on = {"ENABLE_HF_MODELS": "true", "HOOKS_DIR": str(tmp_path)}
    hook.write_text("import sys; print('fetched'); sys.stdout.flush()")
    status, out, err = run("--version", **on)
    assert (status, out.splitlines()[0]) == (0, "fetched")
    assert err.startswith(f"naiad: running {hook}\n")
    hook.write_text("import jinja3")
    status, _, err = run("--version", **on)
    assert status == 1
    assert f"naiad: {hook} ended with status 1; mend it, or remove it" in err


def test_a_machine_without_a_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container whose root and /tmp cannot be written still has its cache."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(
        tempfile, "_candidate_tempdir_list", lambda: list(filter(os.path.isdir, [os.environ["TMPDIR"]]))
    )
    assert clear_uploads() == []
    provide_temporary_folder()
    assert tempfile.gettempdir() == str(tmp_path / "tmp")
