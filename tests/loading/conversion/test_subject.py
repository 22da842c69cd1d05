"""What cannot be converted is refused with what to do, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from naiad.core.errors import Unsupported
from naiad.loading.conversion.subject import recognise_subject


@pytest.mark.parametrize("task", ["", "feature-extraction", "zero-shot-image-classification"])
@pytest.mark.parametrize(("family", "architecture"), [("clip", "CLIPModel"), ("siglip", "SiglipModel")])
def test_pairs_of_encoders(family: str, architecture: str, task: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family, "architectures": [architecture]}))
    with pytest.raises(Unsupported, match=f"a {architecture} is an image encoder and a text encoder.*--task image-fea"):
        recognise_subject(tmp_path, task)
    assert recognise_subject(tmp_path, "image-feature-extraction").head == "image-embedding"


def test_tables(tmp_path: Path) -> None:
    """They have no config.json."""
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(Unsupported, match="a StaticEmbedding is a table, there is nothing to convert"):
        recognise_subject(tmp_path)
