"""What huggingface_hub raises, in our words: what is wrong and what to do about it.

Tokens never come into a message; where one came from does.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from naiad.core.errors import DownloadFailed, InvalidConfiguration, NaiadError, NotFound
from naiad.repository.hub.retries import Busy, HubUnavailable, retry_after_s
from naiad.repository.manifest.secret import Secret

_PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses that another attempt may get over."""
_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


class XetFailed(DownloadFailed):
    """hf_xet gave up; the same file can still be had by plain HTTP."""


class NoSuchRevision(NotFound):
    """The repository is there, but has no branch, tag or commit of that name."""


@dataclass(frozen=True, slots=True)
class HubErrors:
    """The words for one repository."""

    repo_id: str
    endpoint: str
    secret: Secret | None

    def of(self, what: str, error: Exception) -> NaiadError | Busy:
        """Our error for theirs; Busy where trying again may help. `what` is the file or revision asked for."""
        import httpx2
        from huggingface_hub import errors

        if isinstance(error, errors.HfHubHTTPError):
            return self._of_answer(what, error)
        if isinstance(error, errors.OfflineModeIsEnabled):
            return HubUnavailable("HF_HUB_OFFLINE is set, so the Hub may not be contacted")
        if "CERTIFICATE_VERIFY_FAILED" in f"{error} {error.__cause__}":  # told from other failures by nothing else
            return HubUnavailable(
                f"the certificate of {self.endpoint} is signed by nobody that is trusted here; set SSL_CERT_FILE to "
                f"the file with your company's certificates ({reason(error.__cause__ or error)})"
            )
        if isinstance(error, errors.LocalEntryNotFoundError):
            # The library has already tried several times by itself.
            return HubUnavailable(
                f"{self.endpoint} did not give {what}{through(self.endpoint)} ({reason(error.__cause__)})"
            )
        if isinstance(error, httpx2.LocalProtocolError):
            # Its own words would show the header, and with it the token.
            return DownloadFailed(f"{self._whose_token()} contains characters that no token has; set it again")
        if isinstance(error, httpx2.TransportError | ConnectionError):
            return Busy(f"{self.endpoint} cannot be reached{through(self.endpoint)} ({reason(error)})")
        if isinstance(error, errors.HFValidationError):
            return InvalidConfiguration(f"{self.repo_id}: {reason(error)}")
        if isinstance(error, RuntimeError) or type(error).__module__ == "hf_xet":
            return XetFailed(f"Xet failed for {what}: {reason(error)}", repository=self.repo_id)
        if isinstance(error, OSError) and error.errno in _DISK:
            return DownloadFailed(
                f"{what} cannot be written to the cache ({error.strerror}: {error.filename}); set HF_HOME to a folder "
                "that is writable and has room"
            )
        return DownloadFailed(f"{self.endpoint} failed for {what}: {reason(error)}", repository=self.repo_id)

    def _of_answer(self, what: str, error: Exception) -> NaiadError | Busy:
        from huggingface_hub import errors

        if isinstance(error, errors.GatedRepoError):
            return DownloadFailed(self._gated(), repository=self.repo_id)
        if isinstance(error, errors.RepositoryNotFoundError):
            return NotFound(self._not_found(), repository=self.repo_id)
        if isinstance(error, errors.RevisionNotFoundError):
            return NoSuchRevision(f"there is no {what}: no branch, tag or commit of that name", repository=self.repo_id)
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return NotFound(f"{self.repo_id} has no file {what}", repository=self.repo_id)
        return self._of_status(what, error)

    def _of_status(self, what: str, error: Exception) -> NaiadError | Busy:
        from huggingface_hub import get_token

        response = getattr(error, "response", None)
        status = response.status_code if response is not None else 0
        if response is not None and status in _PASSING:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Busy(f"{self.endpoint} answers {status} for {what}", retry_after_s(headers))
        settings = f"{self.endpoint}/settings/tokens"
        if status == 401 and not self.secret and not get_token():
            words = f"requires a token for {what}: make one at {settings} and set HF_TOKEN to it"
        elif status == 401:
            words = (
                f"does not accept {self._whose_token()}; make a new one at {settings}, or unset it for public models"
            )
        elif status == 403:
            words = f"refuses {what}: {self._whose_token()} lacks the permission; grant it at {settings}"
        else:
            words = f"answers {status} for {what}"
        return DownloadFailed(f"{self.endpoint} {words}", repository=self.repo_id, status=status)

    def _whose_token(self) -> str:
        return str(self.secret) if self.secret else "the token in HF_TOKEN or of the saved login"

    def _gated(self) -> str:
        token = f"with the account of {self.secret}" if self.secret else "and set HF_TOKEN to a token of that account"
        return (
            f"{self.repo_id} is gated: accept its terms at {self.endpoint}/{self.repo_id} {token} "
            "(or name another variable by token_env in naiad.yaml)"
        )

    def _not_found(self) -> str:
        if self.secret:
            return f"{self.endpoint} has no repository {self.repo_id}, or {self.secret} may not read it"
        return (
            f"{self.endpoint} has no public repository {self.repo_id}; check the name, or for a private one set "
            "HF_TOKEN (or token_env in naiad.yaml)"
        )


def through(endpoint: str) -> str:
    """Say which variable names the proxy that an address is reached through; empty where there is none."""
    parts = urlsplit(endpoint)
    proxies = getproxies_environment()
    names = [f"{one}_proxy" for one in (parts.scheme, "all") if proxies.get(one)]
    if not names or proxy_bypass(parts.netloc):
        return ""
    name = names[0].upper() if names[0].upper() in os.environ else names[0]
    return f" through the proxy in {name} (NO_PROXY names what is reached without it)"


def reason(error: BaseException | None) -> str:
    """An error's kind and first line, without what a URL may carry before its host."""
    if error is None:
        return "no reason given"
    lines = without_password(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def without_password(text: str) -> str:
    """The text with user and password taken out of its URLs."""
    return re.sub(r"://[^/@\s]+@", "://", text)
