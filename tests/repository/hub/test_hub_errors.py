from __future__ import annotations

import errno

import httpx2
import pytest
from huggingface_hub import errors

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NotFound
from naiad.repository import Secret
from naiad.repository.hub.hub_errors import HubErrors, NoSuchRevision, XetFailed, reason, without_password
from naiad.repository.hub.retries import Busy, HubUnavailable

WORDS = HubErrors("org/name", "http://hub", None)


def answer(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, request=httpx2.Request("GET", "http://hub/x"))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx2.ConnectError("refused"), Busy, "http://hub cannot be reached (ConnectError: refused)"),
        (httpx2.ReadTimeout("slow"), Busy, "cannot be reached"),
        (errors.HfHubHTTPError("x", response=answer(503)), Busy, "http://hub answers 503 for file"),
        (errors.HfHubHTTPError("x", response=answer(418)), DownloadFailed, "answers 418 for file"),
        (errors.HfHubHTTPError("x", response=answer(403)), DownloadFailed, "refuses file"),
        (errors.RepositoryNotFoundError("x", response=answer(404)), NotFound, "no public repository org/name"),
        (errors.GatedRepoError("x", response=answer(403)), DownloadFailed, "accept its terms at http://hub/org/name"),
        (errors.RevisionNotFoundError("x", response=answer(404)), NoSuchRevision, "there is no file: no branch"),
        (errors.RemoteEntryNotFoundError("x", response=answer(404)), NotFound, "org/name has no file file"),
        (errors.OfflineModeIsEnabled("x"), HubUnavailable, "HF_HUB_OFFLINE"),
        (errors.LocalEntryNotFoundError("x"), HubUnavailable, "did not give file (no reason given)"),
        (errors.HFValidationError("bad name"), InvalidConfiguration, "bad name"),
        (OSError("Consistency check failed"), DownloadFailed, "failed for file: OSError: Consistency check failed"),
        (PermissionError(errno.EACCES, "Permission denied", "/cache"), DownloadFailed, "Permission denied: /cache"),
        (OSError(errno.ENOSPC, "No space left", "/cache"), DownloadFailed, "has room"),
        (RuntimeError("Task error: CAS"), XetFailed, "Xet failed for file: RuntimeError: Task error: CAS"),
        (ValueError("no JSON"), DownloadFailed, "http://hub failed for file: ValueError: no JSON"),
    ],
)
def test_each_error_of_the_library_in_our_words(error: Exception, kind: type[Exception], words: str) -> None:
    ours = WORDS.of("file", error)
    assert type(ours) is kind
    assert words in str(ours)


def test_a_proxy_in_between_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "other")
    for error in (httpx2.ConnectError("refused"), errors.LocalEntryNotFoundError("x")):
        said = str(WORDS.of("file", error))
        assert "through the proxy in HTTP_PROXY" in said
        assert "secret" not in said
    assert "proxy" not in str(HubErrors("o/n", "http://other", None).of("file", httpx2.ConnectError("refused")))
    assert "proxy" not in str(HubErrors("o/n", "https://hub", None).of("file", httpx2.ConnectError("refused")))
    monkeypatch.setenv("NO_PROXY", "hub")
    assert "proxy" not in str(WORDS.of("file", httpx2.ConnectError("refused")))


@pytest.mark.usefixtures("hub")  # no saved login of the machine's owner
@pytest.mark.parametrize(("token", "words"), [("hf_x", "does not accept the token in HF_TOKEN"), ("", "set HF_TOKEN")])
def test_a_refused_token_is_told_from_none(monkeypatch: pytest.MonkeyPatch, token: str, words: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert words in str(WORDS.of("file", errors.HfHubHTTPError("x", response=answer(401))))


def test_a_busy_answer_keeps_what_the_server_asks_for() -> None:
    busy = WORDS.of("file", errors.HfHubHTTPError("x", response=answer(429, **{"Retry-After": "3"})))
    assert isinstance(busy, Busy)
    assert busy.retry_after_s == 3


def test_an_illegal_header_is_not_quoted() -> None:
    ours = WORDS.of("file", httpx2.LocalProtocolError("Illegal header value b'Bearer hf_abc'"))
    assert "hf_abc" not in str(ours)
    named = HubErrors("org/name", "http://hub", Secret("hf_x", "$TEAM")).of("file", httpx2.LocalProtocolError("x"))
    assert str(named) == "<token from $TEAM> contains characters that no token has; set it again"


def test_passwords_in_urls_are_left_out() -> None:
    assert without_password("see https://me:secret@hub.example/x") == "see https://hub.example/x"
    assert reason(ValueError("no https://me:secret@hub/x\nmore")) == "ValueError: no https://hub/x"
