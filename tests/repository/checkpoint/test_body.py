"""Where the checkpoint itself lies: modules.json and a router's file tell, not how folders are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.repository import LayoutKind, recognise
from naiad.repository.checkpoint import Checkpoint
from naiad.repository.hub.choose import Selection, choose_files

TYPES = "sentence_transformers.models."
BODY = ("config.json", "tokenizer.json", "model.safetensors")


def write(folder: Path, path: str, content: Any = None) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(json.dumps(content if content is not None else {}))


def modules(*rows: tuple[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "type": TYPES + kind} for path, kind in rows]


def router(**routes: list[str]) -> dict[str, Any]:
    names = {name: TYPES + name.rpartition("_")[2] for names in routes.values() for name in names}
    return {"types": names, "structure": routes, "parameters": {}}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "as transformers saves it": ({}, ""),
    "the first module": (
        {"modules.json": modules(("0_Transformer", "Transformer"), ("1_Pooling", "Pooling"))},
        "0_Transformer",
    ),
    "a name of its own": (
        {
            "modules.json": modules(("encoder", "Transformer"), ("0_Pooling", "Pooling")),
            "0_Pooling/config.json": {},
        },
        "encoder",
    ),
    "the documents' route": (
        {
            "modules.json": modules(("", "Router")),
            "router_config.json": router(query=["query_0_SparseStaticEmbedding"], document=["document_0_Transformer"]),
            "query_0_SparseStaticEmbedding/config.json": {},
        },
        "document_0_Transformer",
    ),
    "a Transformer for queries alone": (
        {
            "modules.json": modules(("", "Router")),
            "router_config.json": router(query=["query_0_Transformer"], document=["document_0_SparseStaticEmbedding"]),
            "document_0_SparseStaticEmbedding/config.json": {},
        },
        "query_0_Transformer",
    ),
    "routes below the first module": (
        {
            "modules.json": modules(("0_Asym", "Asym")),
            "0_Asym/config.json": router(query=["a_Transformer"]),
        },
        "0_Asym/a_Transformer",
    ),
}
"""Files besides the body's, and where it is."""


@pytest.mark.parametrize(("files", "body"), CASES.values(), ids=CASES)
def test_a_folder_and_a_listing_agree(files: dict[str, Any], body: str, tmp_path: Path) -> None:
    prefix = f"{body}/" if body else ""
    for path, content in {**{prefix + name: {} for name in BODY}, **files}.items():
        write(tmp_path, path, content)
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.body == tmp_path / body
    layout = recognise(tmp_path)
    assert (layout.kind, layout.safetensors) == (LayoutKind.CHECKPOINT, checkpoint.body / "model.safetensors")
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    choice = choose_files(
        names, lambda path: json.loads((tmp_path / path).read_text()), lambda _: True, Selection("safetensors")
    )
    assert {prefix + name for name in BODY} <= {*choice.files}


@pytest.mark.parametrize("content", [[], {"structure": 3}, {"types": {}, "structure": {"query": ["a"]}}, {}])
def test_what_is_no_routers_file(content: Any, tmp_path: Path) -> None:
    write(tmp_path, "modules.json", modules(("", "Router")))
    write(tmp_path, "router_config.json", content)
    with pytest.raises(LoadFailed, match="router_config"):
        _ = Checkpoint(tmp_path).routes
