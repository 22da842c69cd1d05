"""CLIP and SigLIP checkpoints all the way, compared with transformers: zero-shot, vectors of both kinds, raw view."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from naiad import Client
from naiad.core.errors import InvalidRequest
from naiad.repository import ModelEntry
from naiad.testing import RunningServer, running_server

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

LABELS = ["a cat", "two remarkably long words of which nothing is known", "", "CAT", "dog!"]

LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
VISION = {**LAYERS, "hidden_size": 24, "image_size": 32, "patch_size": 8}

TOLERANCE = 1e-4


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40 + seed, 50, 3)).astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = [picture(seed) for seed in range(3)]
FILES = [encoded(image) for image in PICTURES]


def clip_tokenizer(folder: Path) -> Any:
    """CLIP's: bytes as letters, letters that end a word, and a few merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    vocabulary = [*letters, *(f"{one}</w>" for one in letters), "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def siglip_tokenizer(folder: Path) -> Any:
    """SigLIP's: a sentencepiece model, no punctuation, padding by the end token."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*LABELS[:2], *string.ascii_lowercase] * 20),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    return transformers.SiglipTokenizer(vocab_file=str(folder / "spiece.model"), model_max_length=16)


def tokenizer_of(name: str, folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return clip_tokenizer(folder) if name == "CLIP" else siglip_tokenizer(folder)


def make(folder: Path, name: str) -> Any:
    """Write a checkpoint with random weights; gives the model."""
    tokenizer = tokenizer_of(name, folder)
    text = {
        **LAYERS,
        "hidden_size": 30,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 16,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    changes = {"projection_dim": 20} if name == "CLIP" else {}
    if name == "Siglip":
        text["projection_size"] = VISION["hidden_size"]
    config = getattr(transformers, f"{name}Config")(text_config=text, vision_config=VISION, **changes)
    torch.manual_seed(4)
    model = getattr(transformers, f"{name}Model")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor(name).save_pretrained(folder)
    return model.eval()


def processor(name: str) -> Any:
    if name == "CLIP":
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        return CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return SiglipImageProcessorPil(size={"height": 32, "width": 32})


class Served:
    """One model in both places."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.model = make(folder, name)
        self.tokenizer = tokenizer_of(name, folder.parent / "tokenizer")
        self.processor = processor(name)

    def text_inputs(self, texts: list[str]) -> Any:
        padding = {"padding": "max_length", "max_length": 16} if self.name == "Siglip" else {"padding": True}
        kept = self.tokenizer(texts, return_tensors="pt", truncation=True, **padding)
        return {name: kept[name] for name in ("input_ids", *(["attention_mask"] if self.name == "CLIP" else []))}

    def pixels(self) -> Any:
        return self.processor(PICTURES, return_tensors="pt")["pixel_values"]


@pytest.fixture(scope="module", params=["CLIP", "Siglip"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(request.param, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def server(served: Served) -> Iterator[RunningServer]:
    embedder = ModelEntry.from_source(f"embedder={served.folder}", task="feature-extraction")
    images = ModelEntry.from_source(f"images={served.folder}", task="image-feature-extraction")
    with running_server(f"pair={served.folder}", embedder, images) as running:
        assert running.all_loaded, running.server.catalog.index()
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address) as made:
        yield made


def test_zero_shot_as_the_pipeline_does_it(served: Served, client: Client) -> None:
    metadata = client.model("pair").metadata()
    assert [one.name for one in metadata.inputs] == ["image", "candidate_labels"]
    answer = client.model("pair").infer({"image": FILES, "candidate_labels": LABELS})
    sentences = served.text_inputs([f"This is a photo of {label}." for label in LABELS])
    with torch.no_grad():
        logits = served.model(**sentences, pixel_values=served.pixels()).logits_per_image
    scores = torch.sigmoid(logits) if served.name == "Siglip" else logits.softmax(dim=-1)
    order = scores.argsort(dim=-1, descending=True)
    assert np.abs(scores.gather(1, order).numpy() - answer["scores"]).max() <= TOLERANCE
    assert [[LABELS[at] for at in row] for row in order.tolist()] == answer["labels"].tolist()
    assert (answer["label"].tolist(), answer["score"].tolist()) == (
        answer["labels"][:, 0].tolist(),
        answer["scores"][:, 0].tolist(),
    )


def test_labels_and_template_as_parameters(client: Client) -> None:
    inputs = {"image": FILES, "candidate_labels": ["a picture: cat", "a picture: dog"]}
    first = client.model("pair").infer(inputs, parameters={"hypothesis_template": "{}"})
    second = client.model("pair").infer(
        {"image": FILES}, parameters={"candidate_labels": "cat, dog", "hypothesis_template": "a picture: {}"}
    )
    assert np.allclose(first["scores"], second["scores"], atol=1e-6)
    assert set(second["label"]) <= {"cat", "dog"}


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        ({"image": FILES}, {}, "'candidate_labels' is missing"),
        ({"image": FILES, "candidate_labels": ["a"]}, {"hypothesis_template": "no place"}, "it needs {} once"),
        ({"image": [b"?"], "candidate_labels": ["a"]}, {}, "element 0: it is not an image"),
    ],
)
def test_what_is_wrong(inputs: Any, parameters: Any, message: str, client: Client) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.model("pair").infer(inputs, parameters=parameters)


def test_vectors_of_both_kinds(served: Served, client: Client) -> None:
    with torch.no_grad():
        texts = served.model.get_text_features(**served.text_inputs(LABELS)).pooler_output.numpy()
        images = served.model.get_image_features(pixel_values=served.pixels()).pooler_output.numpy()
    model = client.model("embedder")
    assert np.abs(model.infer({"text": LABELS})["embedding"] - texts).max() <= TOLERANCE
    assert np.abs(model.infer({"image": FILES})["embedding"] - images).max() <= TOLERANCE
    assert np.abs(client.model("images").infer({"image": FILES})["embedding"] - images).max() <= TOLERANCE
    both = model.infer({"text": LABELS, "image": FILES}, parameters={"normalize": True})["embedding"]
    expected = np.concatenate([texts, images])
    assert np.abs(both - expected / np.linalg.norm(expected, axis=1, keepdims=True)).max() <= TOLERANCE
    with pytest.raises(InvalidRequest, match="send 'text', 'image' or both"):
        model.infer({})


def test_the_embeddings_route_takes_texts(server: RunningServer, client: Client) -> None:
    expected = client.model("embedder").infer({"text": ["a cat"]})["embedding"][0]
    reply = httpx2.post(f"{server.url}/v1/embeddings", json={"model": "embedder", "input": "a cat"})
    assert np.allclose(reply.json()["data"][0]["embedding"], expected, atol=1e-5)


def test_raw_tensors(served: Served, client: Client) -> None:
    inputs = {name: tensor.numpy() for name, tensor in served.text_inputs(LABELS).items()}
    pixels = served.pixels()
    with torch.no_grad():
        expected = served.model(**served.text_inputs(LABELS), pixel_values=pixels)
    answer = client.model("pair.tensors").infer({**inputs, "pixel_values": pixels.numpy()})
    for name in ("text_embeds", "image_embeds", "logits_per_image"):
        assert np.abs(answer[name] - expected[name].numpy()).max() <= TOLERANCE, name
    assert list(client.model("pair.tensors").infer({"pixel_values": pixels.numpy()})) == ["image_embeds"]
    assert list(client.model("pair.tensors").infer(inputs)) == ["text_embeds"]
    with pytest.raises(InvalidRequest, match="'logits_per_image' needs another input"):
        client.model("pair.tensors").infer(inputs, outputs=["logits_per_image"])


def test_as_sentence_transformers_keeps_it(served: Served, tmp_path: Path) -> None:
    """clip-ViT-B-32: the checkpoint in a module's folder, and vectors of length one where modules.json says so."""
    import shutil

    shutil.copytree(served.folder, tmp_path / "m" / "0_CLIPModel")
    modules = [
        {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (tmp_path / "m" / "modules.json").write_text(json.dumps(modules))
    with running_server(str(tmp_path / "m")) as running:
        assert running.all_loaded, running.server.catalog.index()
        with Client(running.address) as client:
            assert [one.name for one in client.model("m").metadata().outputs] == ["embedding"]
            vectors = client.model("m").infer({"text": ["a cat"], "image": FILES})["embedding"]
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
