"""Prompts of a checkpoint: a default that there is not is refused, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import Checkpoint
from naiad.tasks.prompts import Prompts


@pytest.mark.parametrize("default", ["other", "", 3, True, [], ["query"], {}, {"query": 1}])
def test_a_default_that_there_is_not(tmp_path: Path, default: Any) -> None:
    settings = {"prompts": {"query": "a "}, "default_prompt_name": default}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    with pytest.raises(LoadFailed, match=r"default_prompt_name is .*, but the prompts are: query"):
        Prompts(Checkpoint(tmp_path))
