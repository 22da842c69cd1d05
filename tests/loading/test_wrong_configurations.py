"""Wrong configurations are refused with Triton's words, each by itself: the others serve."""

from __future__ import annotations

from pathlib import Path

from wrong_configurations import (
    NO_TEXT,
    RIGHT,
    read_words,
    write_repository,
)

from naiad.testing import running_server

STRICTER = {
    "input twice": "model input 'x' is specified more than once for",
    "output twice": "model output 'y' is specified more than once for",
    "ragged without batches": "model input 'x' allows ragged batches, which needs batching, for",
}
"""What Triton serves all the same."""

OTHERWISE = {
    "GPU": "has kind KIND_GPU but server does not support GPUs",
    "GPU with a number": "has kind KIND_GPU but server does not support GPUs",
    "metric without a family": "metric identifier must specify non-empty 'family'",
    "metric without an identifier": "metric control must specify 'metric_identifier'",
    "metric without options": "metric control must specify 'histogram_options'",
    "metric without buckets": "histogram options must specify non-empty 'buckets'",
    "batch input of an unknown kind": "unknown batch input kind '17' for",
}
"""What a Triton says that is built without GPUs, or newer than 2.51; and a number for which Triton has no name."""

SERVED = "empty reshape without batches"
"""Here and not there: tensors without dimensions, as ONNX graphs have them."""


def test_each_is_refused_with_tritons_words_and_the_others_serve(tmp_path: Path) -> None:
    names, words = write_repository(tmp_path, "identity"), read_words()
    assert list(words) == list(names.values()), "wrong_configurations.txt is of the same configurations"
    assert len(words) > 125
    (tmp_path / "right" / "1").mkdir(parents=True)
    (tmp_path / "right" / "config.pbtxt").write_text(RIGHT.replace("{backend}", "identity"))
    with running_server(str(tmp_path), allow_gpu_kind_on_cpu=False) as running:
        reasons = {entry.name: entry.reason for entry in running.server.catalog.entries()}
        assert [name for name, reason in reasons.items() if not reason and names.get(name) != SERVED] == ["right"]
    wrong = []
    for model, name in names.items():
        expected, reason = {**words, **STRICTER, **OTHERWISE}[name].replace("{model}", model), reasons[model]
        is_said = expected in reason if name in STRICTER or name in OTHERWISE else reason.startswith(expected)
        is_unreadable = expected == NO_TEXT and "config.pbtxt:" in reason
        if not (is_said or is_unreadable or name == SERVED):
            wrong.append((name, expected, reason))
    assert wrong == []
