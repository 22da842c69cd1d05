"""Checkpoints of image models all the way: from a folder or a Hub to an answer, through every door."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_vit import LABELS, small_vit

from naiad import Client
from naiad.cli.main import group
from naiad.convert.image_checkpoint import image_builder_knows
from naiad.core.errors import InvalidRequest
from naiad.repository import FetchSettings, ModelEntry
from naiad.tasks.image.preparing.decoding import open_image
from naiad.testing import LocalHub, RunningServer, running_server


def picture(seed: int = 0, kind: str = "PNG", size: tuple[int, int] = (50, 40)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    small_vit(folder / "classifier")
    small_vit(folder / "embedder", classifies=False)
    with running_server(str(folder / "classifier"), str(folder / "embedder")) as running:
        assert running.all_loaded, running.server.catalog.index()
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address) as made:
        yield made


def test_the_task_follows_from_the_checkpoint(client: Client) -> None:
    metadata = client.model("classifier").metadata()
    assert metadata.platform == "naiad_image"
    assert [(one.name, one.datatype, one.shape) for one in metadata.inputs] == [("image", "BYTES", (-1,))]
    assert [one.name for one in client.model("embedder").metadata().outputs] == ["embedding"]
    view = client.model("embedder.tensors").metadata()
    assert [(one.name, one.shape) for one in view.inputs] == [("pixel_values", (-1, 3, 32, 32))]
    assert [one.name for one in view.outputs] == ["embedding", "last_hidden_state"]


def test_labels_best_first(client: Client) -> None:
    answer = client.model("classifier").infer({"image": [picture(0), picture(1, "JPEG"), picture(2, "WEBP")]})
    assert answer["labels"].shape == answer["scores"].shape == (3, 3)
    assert np.allclose(answer["scores"].sum(axis=1), 1, atol=1e-6)
    assert (np.diff(answer["scores"], axis=1) <= 0).all()
    assert answer["label"].tolist() == answer["labels"][:, 0].tolist()
    assert set(answer["labels"].reshape(-1)) == set(LABELS)


def test_parameters(client: Client) -> None:
    raw = client.model("classifier").infer({"image": [picture()]}, parameters={"top_k": 2, "function_to_apply": "none"})
    assert raw["scores"].shape == (1, 2)
    with pytest.raises(InvalidRequest, match="no parameter 'topk'"):
        client.model("classifier").infer({"image": [picture()]}, parameters={"topk": 2})


def test_images_alone_and_in_company(client: Client) -> None:
    images = [picture(seed) for seed in range(7)]
    together = client.model("embedder").infer({"image": images})["embedding"]
    alone = [client.model("embedder").infer({"image": [image]})["embedding"][0] for image in images]
    assert np.abs(together - np.stack(alone)).max() < 1e-5
    normalized = client.model("embedder").infer({"image": images}, parameters={"normalize": True})["embedding"]
    assert np.allclose(np.linalg.norm(normalized, axis=1), 1, atol=1e-6)
    assert np.allclose(normalized, together / np.linalg.norm(together, axis=1, keepdims=True), atol=1e-6)


def test_the_raw_view_takes_prepared_pixels(client: Client) -> None:
    """ViT's processor, written out: a picture of the right size is only scaled to -1 … 1."""
    image = picture(3, size=(32, 32))
    values = np.asarray(Image.open(BytesIO(image))).transpose(2, 0, 1)[None].astype(np.float32)
    view = client.model("embedder.tensors").infer({"pixel_values": values / 127.5 - 1})
    assert view["last_hidden_state"].shape == (1, 17, 24)
    expected = client.model("embedder").infer({"image": [image]})["embedding"]
    assert np.abs(expected - view["embedding"]).max() < 1e-5


def test_json_carries_base64(server: RunningServer, client: Client) -> None:
    expected = client.model("classifier").infer({"image": [picture()]})["score"][0]
    text = base64.b64encode(picture()).decode()
    for element in (text, f"data:image/png;base64,{text}"):
        body = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [element]}]}
        request = urllib.request.Request(f"{server.url}/v2/models/classifier/infer", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            outputs = {one["name"]: one["data"] for one in json.load(reply)["outputs"]}
        assert outputs["score"][0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([b"nonsense!"], "input 'image': element 0: it is not an image"),
        ([picture(), picture()[:-30]], "input 'image': element 1: the image cannot be read"),
        ([picture()] * 257, "input 'image' has 257 images; send 1 to 256"),
        ([], "input 'image' has 0 images"),
    ],
)
def test_bad_images_name_the_element(client: Client, images: list[bytes], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.model("classifier").infer({"image": np.array(images, object)})


def test_images_are_decoded_off_the_event_loop(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes can hold millions of pixels, so that even a small file must not stop the others."""
    threads: list[str] = []

    def note(data: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return open_image(data)

    monkeypatch.setattr("naiad.tasks.image.preparing.processor.open_image", note)
    client.model("classifier").infer({"image": [picture(size=(1, 1))]})
    assert ["tokenizer" in name for name in threads] == [True], threads


def test_from_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        path.write_bytes(picture(seed))
    files = [word for path in paths for word in ("--file", f"image={path}")]
    done = CliRunner().invoke(group, ["infer", "classifier", *files, "--json", "--url", server.address])
    assert len(json.loads(done.output)["outputs"]["label"]) == 2
    missing = CliRunner().invoke(
        group, ["infer", "classifier", "--file", "image=/nowhere.png", "--url", server.address]
    )
    assert (missing.exit_code, "cannot read /nowhere.png" in missing.output) == (2, True)


def reason(source: Any) -> str:
    with running_server(source) as running:
        (row,) = running.server.catalog.index()
        return str(row.get("reason", ""))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "no tokenizer and no image processor"),
        (
            lambda folder: (folder / "preprocessor_config.json").write_text('{"image_processor_type": "Other"}'),
            "the image processor Other is not known",
        ),
        (
            lambda folder: (folder / "preprocessor_config.json").write_text('{"size": 64}'),
            "makes images of 64 x 64",
        ),
    ],
)
def test_what_is_wrong_with_a_checkpoint(spoil: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    folder = small_vit(tmp_path / "vit")
    spoil(folder)
    assert message in reason(str(folder))


def test_int8_is_close_and_does_not_depend_on_company(tmp_path: Path) -> None:
    folder = small_vit(tmp_path / "vit", classifies=False)
    images = [picture(seed) for seed in range(3)]
    quantized = ModelEntry.from_source(f"int8={folder}", quantize="int8")
    with running_server(f"fp32={folder}", quantized) as running, Client(running.address) as client:
        exact, close = (client.model(name).infer({"image": images})["embedding"] for name in ("fp32", "int8"))
        alone = [client.model("int8").infer({"image": [image]})["embedding"][0] for image in images]
    cosines = (exact * close).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(close, axis=1)
    assert cosines.min() > 0.99
    assert np.abs(exact - close).max() > 0
    assert np.abs(close - np.stack(alone)).max() < 1e-5


def test_a_checkpoint_straight_from_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    folder = small_vit(tmp_path / "vit")
    with LocalHub() as hub:
        hub.add("org/vit", {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
        fetching = FetchSettings(
            lock_path=tmp_path / "naiad.lock",
            cache_dir=tmp_path / "cache",
            endpoint=hub.url,
            builder_knows=image_builder_knows,
        )
        with running_server("org/vit", fetching=fetching) as running, Client(running.address) as client:
            assert client.model("vit").infer({"image": [picture()]})["label"].shape == (1,)
