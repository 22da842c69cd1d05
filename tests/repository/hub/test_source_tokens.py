"""Private and gated repositories; where the token goes and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import DownloadFailed, NotFound
from naiad.repository import Secret
from naiad.testing import LocalHub

Files = dict[str, bytes]


GOOD, BAD = "hf_" + "g" * 34, "hf_" + "b" * 34


def test_a_private_repository_needs_a_token(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    with refusal(NotFound, "no public repository org/private", "HF_TOKEN", "token_env"):
        pull("org/private")
    assert pull("org/private", {"token": Secret(GOOD, "$TEAM")}).files


def test_hf_token_is_used_when_the_entry_has_none(
    hub: LocalHub, pull: Any, checkpoint: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    monkeypatch.setenv("HF_TOKEN", GOOD)
    assert pull("org/private").files


def test_a_wrong_token(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    with refusal(DownloadFailed, "does not accept <token from $TEAM>", f"{hub.url}/settings/tokens"):
        pull("org/private", {"token": Secret(BAD, "$TEAM")})


def test_a_gated_repository(hub: LocalHub, pull: Any, checkpoint: Files, refusal: Any) -> None:
    hub.add("org/gated", checkpoint, is_gated=True, tokens=(GOOD,))
    hub.add("org/other", checkpoint, is_gated=True, tokens=(BAD,))
    with refusal(DownloadFailed, "org/gated is gated", f"accept its terms at {hub.url}/org/gated", "HF_TOKEN"):
        pull("org/gated")
    with refusal(DownloadFailed, "org/gated is gated", "the account of <token from $TEAM>"):
        pull("org/gated", {"token": Secret(BAD, "$TEAM")})
    assert pull("org/gated", {"token": Secret(GOOD, "$TEAM")}).files


def test_the_token_is_printed_nowhere_and_does_not_reach_the_cdn(
    hub: LocalHub, pull: Any, checkpoint: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    hub.add("org/private", checkpoint, is_private=True, tokens=(GOOD,))
    hub.fail_next(503, times=1, path="model.safetensors")
    entry = {"token": Secret(GOOD, "$TEAM")}
    fetched = pull("org/private", entry)
    said = [*caplog.messages, *pull.progress.notes, repr(fetched), repr(entry), pull.lock.read_text()]
    for source in ("org/missing", "org/private@missing"):
        with pytest.raises(NotFound) as caught:
            pull(source, entry)
        said += [str(caught.value), repr(caught.value), repr(caught.value.detail), repr(caught.value.__cause__)]
    assert [text for text in said if GOOD in text] == []
    assert {request.token for request in hub.requests if not request.is_cdn} == {GOOD}
    assert {request.token for request in hub.requests if request.is_cdn} == {""}
    assert [path for path in pull.cache.rglob("*") if path.is_file() and GOOD.encode() in path.read_bytes()] == []
