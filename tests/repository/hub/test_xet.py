"""Xet, which the real Hub uses for large files: a Hub says it is there, and nothing is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from naiad.repository.hub.cache import CachedRepository, HubFile
from naiad.repository.hub.client import HubClient
from naiad.repository.hub.hub_errors import HubErrors, XetFailed
from naiad.repository.hub.retries import Retries
from naiad.testing import LocalHub

hf_xet = pytest.importorskip("hf_xet", reason="hf_xet is not to be had for this platform")
Files = dict[str, bytes]


def test_errors_of_xet_have_a_kind_of_their_own() -> None:
    ours = HubErrors("org/name", "http://hub", None).of("file", hf_xet.XetObjectNotFoundError("gone"))
    assert type(ours) is XetFailed


@pytest.mark.parametrize("size", [1_200_000, 1000])
def test_where_xet_cannot_be_had_plain_http_goes_on(hub: LocalHub, pull: Any, checkpoint: Files, size: int) -> None:
    weights = checkpoint["model.safetensors"][:size]
    hub.add("org/name", {**checkpoint, "model.safetensors": weights})
    hub.xet_url = hub.url  # which answers 404 to what is Xet's
    assert (pull("org/name").folder / "model.safetensors").read_bytes() == weights
    (note,) = pull.progress.notes
    assert note.startswith("Xet failed for model.safetensors: RuntimeError")
    assert note.endswith("; continuing over plain HTTP")
    assert hub.count("GET", "xet-read-token") == 1


def test_progress_by_xet_counts_what_is_on_the_disk(pull: Any) -> None:
    """The library's own reporter, driven as hf_xet drives it."""
    cache = CachedRepository(pull.cache, "org/name")
    client = HubClient(cache, None, "http://hub", Retries(1, pull.slept.append, pull.progress.note))
    meters = client._meters(pull.progress, HubFile("weights", 100))
    with XetDownloadProgressReporter(reconstruction_desc="x", total=100, log_level=0, tqdm_class=meters) as reporter:
        for on_disk, transferred in ((0, 30), (40, 60), (100, 70)):
            report = SimpleNamespace(
                total_bytes_completed=on_disk,
                total_transfer_bytes_completed=transferred,
                total_bytes_completion_rate=1.0,
                total_transfer_bytes_completion_rate=1.0,
                total_bytes=100,
            )
            reporter.update_progress(report)
            assert pull.progress.done.get("name/weights", 0) == on_disk
