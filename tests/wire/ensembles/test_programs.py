"""A program that sends image files to an ensemble, written as Triton's example is, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from writing import step, write

from naiad.testing import RunningServer, running_server

pytest.importorskip("tritonclient.http", reason="tritonclient is not installed (requirements/dev.txt)")

PROGRAM = Path(__file__).parents[1] / "programs" / "ensemble_image_client.py"

DECODES = '''
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """Reads portable pixmaps: P6, width, height, 255, then red, green and blue of each pixel."""

    def execute(self, requests):
        return [self.answer(request.inputs()[0].as_numpy().ravel()) for request in requests]

    def answer(self, files):
        try:
            means = np.stack([self.mean(file) for file in files])
        except ValueError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor("MEAN", means)])

    def mean(self, file):
        kind, size, most, pixels = file.split(b"\\n", 3)
        if kind != b"P6":
            raise ValueError("no portable pixmap")
        width, height = map(int, size.split())
        return np.frombuffer(pixels, np.uint8).reshape(height * width, 3).mean(axis=0, dtype=np.float32) / 255
'''
CLASSIFIES = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("SCORES", request.inputs()[0].as_numpy())])
                for request in requests]
"""


def side(name: str, datatype: str, size: int, more: str = "") -> str:
    return f'{{ name: "{name}" data_type: TYPE_{datatype} dims: [ {size} ] {more} }}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    python = 'backend: "python" max_batch_size: 4 instance_group { kind: KIND_CPU }'
    image, mean = side("IMAGE", "STRING", 1), side("MEAN", "FP32", 3)
    scores = side("SCORES", "FP32", 3, 'label_filename: "labels.txt"')
    write(folder, "decodes", f"{python} input {image} output {mean}", files={"model.py": DECODES})
    write(folder, "classifies", f"{python} input {mean} output {scores}", files={"model.py": CLASSIFIES})
    (folder / "classifies" / "labels.txt").write_text("red\ngreen\nblue\n")
    steps = step("decodes", {"IMAGE": "IMAGE"}, {"MEAN": "mean"})
    steps += step("classifies", {"MEAN": "mean"}, {"SCORES": "SCORES"})
    ensemble = f'platform: "ensemble" max_batch_size: 4 input {image} output {side("SCORES", "FP32", 3)}'
    write(folder, "preprocess_and_classify", f"{ensemble} ensemble_scheduling {{ {steps} }}")
    with running_server(str(folder)) as running:
        assert running.all_loaded
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    colours = {"green": (0, 255, 51), "blue": (51, 0, 255)}
    for name, colour in colours.items():
        (folder / f"{name}.ppm").write_bytes(b"P6\n3 2\n255\n" + bytes(colour) * 6)
    return [folder / f"{name}.ppm" for name in colours]


def run(server: RunningServer, protocol: str, *more: object) -> subprocess.CompletedProcess[str]:
    address = server.address if protocol == "http" else str(server.grpc_address)
    command = [sys.executable, str(PROGRAM), "-u", address, "-i", protocol, *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("way", [(), ("--async",)])
def test_images_are_classified_and_labelled(
    server: RunningServer, images: list[Path], protocol: str, way: tuple[str, ...]
) -> None:
    done = run(server, protocol, "-c", 2, *way, *images)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Image 'green.ppm':",
        "    1.000000 (1) = green",
        "    0.200000 (2) = blue",
        "Image 'blue.ppm':",
        "    1.000000 (2) = blue",
        "    0.200000 (0) = red",
        "PASS",
    ]


def test_what_is_no_image_is_told_to_who_sent_it(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(b"P5\n1 1\n255\n\0")
    done = run(server, "http", file)
    assert done.returncode == 1
    assert "[400] in ensemble 'preprocess_and_classify', no portable pixmap (step 0: model 'decodes')" in done.stderr


def test_more_images_than_a_batch_holds(server: RunningServer, images: list[Path]) -> None:
    done = run(server, "grpc", *images * 3)
    assert (done.returncode, done.stderr) == (1, "the model takes 4 images at a time\n")
