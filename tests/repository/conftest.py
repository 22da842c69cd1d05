"""A local Hub and settings that go to it; no token of the machine's owner, no waiting."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants

from naiad.repository import Fetched, FetchSettings, ModelEntry, fetch
from naiad.testing import LocalHub

Files = dict[str, bytes]


def random_bytes(count: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(count)  # noqa: S311 (contents, not secrets)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-saved-login"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-stored-tokens"))
    with LocalHub() as running:
        yield running
    close_session()


@pytest.fixture
def checkpoint() -> Files:
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"---\npipeline_tag: sentence-similarity\n---\n# name\n",
        "config.json": b'{"model_type": "bert"}',
        "tokenizer.json": b'{"version": "1.0"}',
        "vocab.txt": b"[PAD]\n",
        "modules.json": b"[]",
        "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
        "model.safetensors": random_bytes(1_200_000),
        "pytorch_model.bin": b"pickle",
        "modeling_bert.py": b"import os",
        "onnx/model.onnx": b"onnx",
        "onnx/model_quantized.onnx": b"onnx int8",
    }


@dataclass
class RecordedProgress:
    notes: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    titles: list[tuple[str, int]] = field(default_factory=list)

    def begin(self, title: str, total_bytes: int) -> None:
        self.titles.append((title, total_bytes))

    def advance(self, file: str, done_bytes: int, size_bytes: int) -> None:
        self.done[file] = done_bytes

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def end(self) -> None:
        self.titles.append(("end", 0))


@dataclass
class Puller:
    """`pull("org/name")` with a cache, a lock and a Hub of its own."""

    hub: LocalHub
    settings: FetchSettings
    progress: RecordedProgress
    slept: list[float]

    def __call__(self, source: str, entry: dict[str, Any] | None = None, **settings: Any) -> Fetched:
        return fetch(ModelEntry.from_source(source, **(entry or {})), replace(self.settings, **settings))

    @property
    def cache(self) -> Path:
        assert self.settings.cache_dir is not None
        return self.settings.cache_dir

    @property
    def lock(self) -> Path:
        assert self.settings.lock_path is not None
        return self.settings.lock_path


@pytest.fixture
def pull(hub: LocalHub, tmp_path: Path) -> Puller:
    progress, slept = RecordedProgress(), list[float]()
    settings = FetchSettings(
        lock_path=tmp_path / "naiad.lock",
        cache_dir=tmp_path / "cache",
        endpoint=hub.url,
        builder_knows=lambda config: config.get("model_type") == "bert",
        progress=progress,
        sleep=slept.append,
    )
    return Puller(hub, settings, progress, slept)


@contextmanager
def _refusal(kind: type[Exception], *words: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.fixture
def refusal() -> Callable[..., AbstractContextManager[None]]:
    """`with refusal(DownloadFailed, "word", "other word"):` wants this error with these words."""
    return _refusal


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, files: Files) -> Path:
        for path, content in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(content)
        return tmp_path / name

    return make
