"""What is made up for measuring runs, and where what was measured may be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from encoder_graphs import load_encoder, packed_spec, write_packed_graph

from naiad.backends.onnxruntime.encoders.samples import ImageSamples
from naiad.backends.onnxruntime.prepared.sharing import TRIED
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec, ImagePixels
from naiad.core.errors import NaiadError


def test_an_encoder_runs_its_samples(tmp_path: Path) -> None:
    spec = packed_spec(max_tokens=20)
    instances = load_encoder(write_packed_graph(tmp_path), spec)
    samples = instances.samples
    assert samples is not None
    sizes = [samples.size_near(tokens) for tokens in (0, 7, 500)]
    assert sizes == [1, 7, 20]
    items = list(samples.make(sizes))
    assert [item.tokens for item in items] == sizes
    assert {item.outputs for item in items} == {("embedding",)}
    assert not any(isinstance(result, NaiadError) for result in instances.narrow[0].execute(Batch(items)))


def test_what_was_found_out_lies_beside_the_copy_for_this_machine(tmp_path: Path) -> None:
    graph = write_packed_graph(tmp_path)
    assert load_encoder(graph, packed_spec()).notes is None
    notes = load_encoder(graph, packed_spec(), prepared_in=tmp_path).notes
    assert notes is not None
    assert notes.parent == tmp_path
    assert (notes / TRIED).is_file()


def test_images_all_cost_the_same() -> None:
    output = EncoderOutput("embedding", "item", 4)
    spec = EncoderSpec("vit", "image-embedding", (output,), 17, layout="images", channels=3, height=8, width=8)
    samples = ImageSamples(spec)
    (image,) = samples.make([samples.size_near(500)])
    assert isinstance(image, ImagePixels)
    assert image.tokens == 17
    assert image.pixel_values().shape == (3, 8, 8)
    assert image.pixels.dtype == np.float32
