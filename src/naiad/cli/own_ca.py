"""Whose certificates a command trusts: one file or folder, whichever of the usual variables names it.

Libraries differ in which they read: requests knows REQUESTS_CA_BUNDLE, curl CURL_CA_BUNDLE, OpenSSL SSL_CERT_FILE. Here
all mean the same, for the Hub, for object stores and for callbacks.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from naiad.core.errors import InvalidConfiguration

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def use_own_ca(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make the others' variable OpenSSL's, unless that is set. Raises InvalidConfiguration for what is not there."""
    for name in (FILE, *OTHERS):
        value = environment.get(name)
        if value and not Path(value).exists():
            raise InvalidConfiguration(
                f"{name} is '{value}', which does not exist; name the file with the certificates to trust, or unset it",
                setting=name,
            )
    if environment.get(FILE) or environment.get(FOLDER):
        return
    for name in OTHERS:
        if value := environment.get(name):
            environment[FOLDER if Path(value).is_dir() else FILE] = value
            return
