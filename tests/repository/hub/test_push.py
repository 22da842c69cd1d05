from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import DownloadFailed, Failed, InvalidConfiguration
from naiad.repository import FetchSettings, HubReference, LayoutKind, PushSettings, Secret, push, recognise
from naiad.repository.checkpoint.card import read_card
from naiad.testing import LocalHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how the library calls httpx2
Make = Callable[..., Path]
WRITER = "hf_" + "w" * 34
TARGET = HubReference("me/model")


@pytest.fixture
def settings(hub: LocalHub) -> PushSettings:
    hub.writers.add(WRITER)
    return PushSettings(token=Secret(WRITER, "$TEAM"), endpoint=hub.url, task="fill-mask")


@pytest.fixture
def folder(make_folder: Make) -> Path:
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": bytes(2_000_000)}
    return make_folder("mine", {**files, ".git/config": b"x", "__pycache__/x.pyc": b"x", ".naiad/a/model.onnx": b"x"})


def test_what_is_pushed_can_be_pulled(hub: LocalHub, pull: Any, settings: PushSettings, folder: Path) -> None:
    pushed = push(folder, TARGET, settings)
    assert pushed.files == ("README.md", "config.json", "model.safetensors", "tokenizer.json")
    assert sorted(hub.files("me/model")) == list(pushed.files)
    assert pushed.url == f"{hub.url}/me/model/tree/{pushed.reference.revision}"
    fetched = pull("me/model")
    assert fetched.commit == pushed.reference.revision
    assert (fetched.folder / "model.safetensors").read_bytes() == bytes(2_000_000)
    assert len(hub.repositories["me/model"].commits) == 2  # the empty one, and one with everything


def test_a_card_says_how_to_serve(hub: LocalHub, pull: Any, settings: PushSettings, folder: Path) -> None:
    push(folder, TARGET, settings)
    front, text = read_card(pull("me/model").folder)
    assert front == {"library_name": "naiad", "pipeline_tag": "fill-mask"}
    assert "naiad serve hf://me/model" in text
    assert "2.0 MB of weights" in text


def test_a_card_that_is_there_stays(hub: LocalHub, settings: PushSettings, folder: Path) -> None:
    (folder / "README.md").write_text("# my own words")
    push(folder, TARGET, settings)
    assert hub.files("me/model")["README.md"] == b"# my own words"


def test_pushing_again_makes_a_new_commit(hub: LocalHub, settings: PushSettings, folder: Path) -> None:
    first = push(folder, TARGET, settings)
    (folder / "config.json").write_text('{"x": 1}')
    second = push(folder, TARGET, settings)
    assert first.reference.revision != second.reference.revision
    assert hub.files("me/model")["config.json"] == b'{"x": 1}'


def test_into_a_subfolder(hub: LocalHub, pull: Any, settings: PushSettings, folder: Path) -> None:
    push(folder, HubReference("me/model", "", "small"), settings)
    assert "small/model.safetensors" in hub.files("me/model")
    assert pull("hf://me/model/small").files


def test_a_model_repository(hub: LocalHub, pull: Any, settings: PushSettings, make_folder: Make) -> None:
    models = make_folder("models", {"add/config.pbtxt": b"", "add/1/model.onnx": b"onnx"})
    push(models, TARGET, settings)
    assert recognise(pull("me/model").folder).kind is LayoutKind.TRITON_REPOSITORY
    assert b"Triton models: `add`" in hub.files("me/model")["README.md"]
    with pytest.raises(InvalidConfiguration, match="to the top"):
        push(models, HubReference("me/model", "", "sub"), settings)


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        (".env", b"x", "looks like a secret"),
        ("server.pem", b"x", "looks like a secret"),
        ("notes.txt", b"my token is hf_" + b"x" * 34, "looks like a secret"),
        ("notes.txt", b"-----BEGIN RSA PRIVATE KEY-----", "looks like a secret"),
        ("pytorch_model.bin", b"x", "can run code"),
        ("modeling.py", b"x", "is code"),
    ],
)
def test_what_must_stay_is_refused_before_anything_is_asked(
    path: str, content: bytes, words: str, hub: LocalHub, settings: PushSettings, folder: Path
) -> None:
    (folder / path).write_bytes(content)
    with pytest.raises(InvalidConfiguration, match=words) as caught:
        push(folder, TARGET, settings)
    assert path in caught.value.message
    assert (hub.count(), "hf_x" in caught.value.message) == (0, False)


def test_code_goes_when_it_is_allowed(hub: LocalHub, settings: PushSettings, make_folder: Make) -> None:
    models = make_folder("models", {"py/config.pbtxt": b"", "py/1/model.py": b"import os"})
    push(models, TARGET, PushSettings(settings.token, allow_code=True, endpoint=hub.url))
    assert "py/1/model.py" in hub.files("me/model")


def test_a_folder_that_cannot_be_served_is_not_pushed(settings: PushSettings, make_folder: Make) -> None:
    with pytest.raises(InvalidConfiguration, match="holds nothing to serve"):
        push(make_folder("x", {"notes.txt": b""}), TARGET, settings)


def test_without_the_right_to_write(hub: LocalHub, settings: PushSettings, folder: Path) -> None:
    hub.add("org/other", {}, tokens=("hf_reader",))
    with pytest.raises(DownloadFailed, match="lacks the permission"):
        push(folder, TARGET, PushSettings(Secret("hf_reader", "$READ"), endpoint=hub.url))
    with pytest.raises(DownloadFailed, match=r"requires a token for hf://me/model.*set HF_TOKEN"):
        push(folder, TARGET, PushSettings(endpoint=hub.url))


def test_a_hub_that_is_away(hub: LocalHub, settings: PushSettings, folder: Path) -> None:
    with hub.refused_connections(), pytest.raises(Failed, match=r"cannot be reached.*push again later"):
        push(folder, TARGET, settings)


def test_settings_have_no_token_to_show(settings: PushSettings) -> None:
    assert WRITER not in repr(settings)
    assert FetchSettings() is not None
