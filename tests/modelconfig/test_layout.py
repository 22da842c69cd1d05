"""Backends from file names, the default file, and which versions are served."""

from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.modelconfig import choose_versions, infer_backend, prepare


@pytest.mark.parametrize(
    ("file", "backend"),
    [
        ("model.onnx", "onnxruntime"),
        ("model.py", "python"),
        ("model.pt", "pytorch"),
        ("model.pt2", "torch_aoti"),
        ("model.xml", "openvino"),
        ("model.plan", "tensorrt"),
        ("model.savedmodel", "tensorflow"),
        ("model.graphdef", "tensorflow"),
    ],
)
def test_a_file_tells_the_backend_and_is_its_default_file(file: str, backend: str) -> None:
    document = prepare({}, "m", ["notes.txt", file])
    assert (document["backend"], document["default_model_filename"]) == (backend, file)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"platform": "onnxruntime_onnx"}, ("onnxruntime_onnx", "onnxruntime", "model.onnx")),
        ({"backend": "onnxruntime"}, ("onnxruntime_onnx", "onnxruntime", "model.onnx")),
        ({"backend": "python"}, ("", "python", "model.py")),
        ({"backend": "identity"}, ("", "identity", "")),
        ({"platform": "pytorch_libtorch"}, ("pytorch_libtorch", "pytorch", "model.pt")),
        (
            {"platform": "onnxruntime_onnx", "default_model_filename": "net.bin"},
            ("onnxruntime_onnx", "onnxruntime", "net.bin"),
        ),
        ({"default_model_filename": "net.onnx"}, ("onnxruntime_onnx", "onnxruntime", "net.onnx")),
    ],
)
def test_what_is_given_completes_the_rest(given: dict[str, str], expected: tuple[str, str, str]) -> None:
    document = prepare(given, "m")
    assert (document["platform"], document["backend"], document["default_model_filename"]) == expected


def test_a_model_may_be_named_after_its_backend() -> None:
    document = prepare({}, "echo.identity", ["model.identity"])
    assert (document["backend"], document["default_model_filename"]) == ("identity", "model.identity")


def test_nothing_tells_the_backend() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        infer_backend({"name": "m"}, ["weights.bin"])
    assert caught.value.message == (
        "Invalid model name: Could not determine backend for model 'm' with no backend in model configuration. "
        "Expected model name of the form 'model.<backend_name>'."
    )


def test_an_unknown_platform_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidConfiguration, match=r"unexpected platform type 'onnx' for m; known: .*ensemble"):
        prepare({"platform": "onnx"}, "m")


def test_the_name_is_the_folder_s() -> None:
    assert prepare({"backend": "identity"}, "m")["name"] == "m"
    assert prepare({"backend": "identity", "name": "m"}, "m")["name"] == "m"
    with pytest.raises(
        InvalidConfiguration,
        match="unexpected directory name 'm' for model 'other', directory name must equal model name",
    ):
        prepare({"backend": "identity", "name": "other"}, "m")


def test_ensembles_have_no_backend() -> None:
    document = prepare({"ensemble_scheduling": {"step": [{"model_name": "a"}]}}, "m")
    assert (document["platform"], document["backend"]) == ("ensemble", "")


def test_prepare_leaves_its_argument_alone() -> None:
    given = {"backend": "identity"}
    prepare(given, "m")
    assert given == {"backend": "identity"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, [10]),
        ({"latest": {"num_versions": 1}}, [10]),
        ({"latest": {"num_versions": 2}}, [9, 10]),
        ({"latest": {"num_versions": 9}}, [1, 9, 10]),
        ({"all": {}}, [1, 9, 10]),
        ({"specific": {"versions": [9, 1]}}, [1, 9]),
        ({"specific": {"versions": [1, 7]}}, [1]),
    ],
)
def test_versions_of_a_policy(policy: dict[str, object] | None, expected: list[int]) -> None:
    assert choose_versions(policy, [10, 1, 9]) == expected


@pytest.mark.parametrize(
    ("policy", "available", "expected"),
    [
        ({"latest": {}}, [1], "at least one version must be available under the version policy of model"),
        (
            {"latest": {"num_versions": 0}},
            [1],
            "at least one version must be available under the version policy of model",
        ),
        ({"specific": {"versions": [7]}}, [1, 2], r"under the version policy of model 'm': .*\[7\].*\[1, 2\]"),
        (None, [], "at least one version must be available under the version policy of model 'm'"),
        ({"all": {}}, [], "at least one version must be available"),
    ],
)
def test_a_policy_that_leaves_nothing(policy: dict[str, object] | None, available: list[int], expected: str) -> None:
    with pytest.raises(InvalidConfiguration, match=expected):
        choose_versions(policy, available, "m")
