"""Checkpoints all the way: from a folder or a Hub to an answer, for every head."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.repository import FetchSettings, ModelEntry
from naiad.testing import LocalHub, RunningServer, running_server, tiny_checkpoint


def infer(server: RunningServer, model: str, **inputs: Any) -> InferResponse:
    tensors = {name: _tensor(name, values) for name, values in inputs.items()}
    return server.run(lambda: server.server.engine.infer(InferRequest(model, inputs=tensors)))


def _tensor(name: str, values: Any) -> Tensor:
    if isinstance(values, np.ndarray):
        return Tensor.of(name, values)
    return bytes_tensor(name, [value.encode() for value in values])


def output(response: InferResponse, name: str) -> Any:
    return next(tensor.data for tensor in response.outputs if tensor.name == name)


def reasons(server: RunningServer) -> dict[str, str]:
    return {row["name"]: row.get("reason", "") for row in server.server.catalog.index()}


def test_embeddings_and_their_raw_view_come_from_the_same_weights(tmp_path: Path) -> None:
    with running_server(f"tiny={tiny_checkpoint(tmp_path / 'm')}") as server:
        assert server.all_loaded
        texts = ["hello world", "", "a good movie in the city by the river"]
        embeddings = output(infer(server, "tiny", text=texts), "embedding")
        assert embeddings.shape == (3, 32)
        assert np.allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
        alone = np.concatenate([output(infer(server, "tiny", text=[text]), "embedding") for text in texts])
        assert np.abs(embeddings - alone).max() < 1e-6

        ids = np.array([[2, 11, 3, 0], [2, 11, 12, 3]], np.int64)
        view = infer(server, "tiny.tensors", input_ids=ids, attention_mask=(ids != 0).astype(np.int64))
        assert output(view, "last_hidden_state").shape == (2, 4, 32)
        assert not output(view, "last_hidden_state")[0, 3].any(), "padding comes back as zeros"
        models = list(server.server.catalog.models())
        assert models[0]._encoder is models[1]._encoder  # type: ignore[attr-defined]


def test_the_configuration_says_how_vectors_are_compared(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    (folder / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "dot"}')
    with running_server(f"tiny={folder}") as server:
        model = server.server.catalog.find("tiny")
        expected = {"task": "feature-extraction", "similarity_fn_name": "dot", "max_tokens": "32"}
        assert model.config.parameters == expected


def test_the_configuration_says_how_long_texts_may_be(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    with running_server(f"tiny={folder}") as server:
        longest = {model.config.name: model.config.parameters["max_tokens"] for model in server.server.catalog.models()}
        assert longest == {"tiny": "9", "tiny.tensors": "64"}


def test_a_column_of_texts_is_as_good_as_a_row(tmp_path: Path) -> None:
    with running_server(f"tiny={tiny_checkpoint(tmp_path / 'm')}") as server:
        row = infer(server, "tiny", text=["hello", "world"])
        column = infer(server, "tiny", text=np.array([[b"hello"], [b"world"]], object))
        assert np.array_equal(output(row, "embedding"), output(column, "embedding"))


def test_long_texts_are_cut_and_the_answer_says_so(tmp_path: Path) -> None:
    with running_server(f"tiny={tiny_checkpoint(tmp_path / 'm')}") as server:
        assert infer(server, "tiny", text=["hello"]).parameters == {}
        parameters = infer(server, "tiny", text=["hello " * 5000, "hello"]).parameters
        assert parameters == {"truncated": True, "truncated_texts": 1}


@pytest.mark.parametrize(
    ("head", "inputs", "name"),
    [
        ("sequence-classification", {"text": ["good movie"]}, "label"),
        ("token-classification", {"text": ["my name"]}, "entities"),
        ("question-answering", {"question": ["who"], "context": ["my name is world"]}, "answer"),
        ("masked-lm", {"text": ["the [MASK] is good"]}, "token"),
    ],
)
def test_every_head_is_served_with_the_task_it_is_for(
    tmp_path: Path, head: str, inputs: dict[str, Any], name: str
) -> None:
    with running_server(f"tiny={tiny_checkpoint(tmp_path / 'm', head=head)}") as server:
        assert server.all_loaded, reasons(server)
        assert output(infer(server, "tiny", **inputs), name).size


def test_the_task_can_be_set_and_must_fit(tmp_path: Path) -> None:
    classifier = tiny_checkpoint(tmp_path / "c", head="sequence-classification", labels=("contradiction", "entailment"))
    zero_shot = ModelEntry.from_source(f"z={classifier}", task="zero-shot-classification")
    wrong = ModelEntry.from_source(f"w={classifier}", task="fill-mask")
    with running_server(zero_shot, wrong) as server:
        answer = infer(server, "z", text=["good movie"], candidate_labels=["good", "bad"])
        assert sorted(output(answer, "labels")[0].tolist()) == [b"bad", b"good"]
        assert "does not fit its config.json or task" in reasons(server)["w"]


def test_int8_is_close_to_fp32(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    quantized = ModelEntry.from_source(f"int8={folder}", quantize="int8")
    with running_server(f"fp32={folder}", quantized) as server:
        assert server.all_loaded, reasons(server)
        exact, close = (output(infer(server, name, text=["good movie"]), "embedding")[0] for name in ("fp32", "int8"))
        assert exact @ close > 0.99
        assert np.abs(exact - close).max() > 0


def test_a_checkpoint_straight_from_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    folder = tiny_checkpoint(tmp_path / "m")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with LocalHub() as hub:
        commit = hub.add("org/tiny", files)
        fetching = FetchSettings(
            lock_path=tmp_path / "naiad.lock",
            cache_dir=tmp_path / "cache",
            endpoint=hub.url,
            builder_knows=lambda config: config.get("model_type") == "bert",
        )
        with running_server("org/tiny", fetching=fetching) as server:
            assert output(infer(server, "tiny", text=["hello"]), "embedding").shape == (1, 32)
        assert commit in (tmp_path / "naiad.lock").read_text()
        asked = len(hub.requests)
        with running_server("org/tiny", fetching=fetching) as server:
            assert server.all_loaded
        assert len(hub.requests) == asked, "the second start asks nobody"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: edit(folder, model_type="gpt2"), ["gpt2", "bert"]),
        (lambda folder: edit(folder, hidden_size=33), ["33"]),
        (lambda folder: (folder / "vocab.txt").unlink(), ["token"]),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 100), ["model.safetensors"]),
        (lambda folder: (folder / "config.json").write_text("{"), ["config.json"]),
    ],
    ids=["architecture", "sizes", "tokenizer", "weights", "config"],
)
def test_what_is_wrong_with_a_checkpoint_is_said_in_the_index_and_the_others_serve(
    tmp_path: Path, spoil: Callable[[Path], object], words: list[str]
) -> None:
    good, bad = tiny_checkpoint(tmp_path / "good"), tiny_checkpoint(tmp_path / "bad")
    spoil(bad)
    with running_server(f"good={good}", f"bad={bad}") as server:
        assert not server.all_loaded
        assert output(infer(server, "good", text=["hello"]), "embedding").shape == (1, 32)
        assert [word for word in words if word not in reasons(server)["bad"]] == [], reasons(server)["bad"]


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_refusals_name_what_is_wrong(tmp_path: Path) -> None:
    with running_server(f"tiny={tiny_checkpoint(tmp_path / 'm')}") as server:
        with pytest.raises(InvalidRequest, match="UTF-8"):
            infer(server, "tiny", text=np.array([b"\xff"], object))
        with pytest.raises(InvalidRequest, match=r"missing required input\(s\) \['text'\]"):
            infer(server, "tiny")
        with pytest.raises(InvalidRequest, match="data-type is 'FP32'"):
            infer(server, "tiny", text=np.zeros(1, np.float32))


@pytest.mark.torch
def test_an_onnx_file_of_somebody_else_gives_the_same_embeddings(tmp_path: Path) -> None:
    """Exported the usual way: padded, with an attention mask; pooling and norm come from the sentence files."""
    folder = tiny_checkpoint(tmp_path / "m")
    export_padded(folder)
    padded = ModelEntry.from_source(f"padded={folder}", weights="onnx")
    with running_server(f"packed={folder}", padded) as server:
        assert server.all_loaded, reasons(server)
        texts = ["hello world", "a good movie in the city by the river", ""]
        ours, theirs = (output(infer(server, name, text=texts), "embedding") for name in ("packed", "padded"))
        assert np.abs(ours - theirs).max() < 1e-5


def export_padded(folder: Path) -> None:
    """Write `folder`/model.onnx with torch, as people do."""
    torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]

    class Exported(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(),
            tuple(torch.ones(2, 5, dtype=torch.int64) for _ in names),
            folder / "model.onnx",
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]},
            dynamo=False,
        )


def test_quantising_an_onnx_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    (folder / "model.onnx").write_bytes(b"")
    entry = ModelEntry.from_source(f"m={folder}", weights="onnx", quantize="int8")
    with running_server(entry) as server:
        assert "quantize: int8 works on safetensors checkpoints" in reasons(server)["m"]
