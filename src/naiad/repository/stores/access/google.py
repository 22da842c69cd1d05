"""Google Cloud Storage: a file of credentials, the machine's service account, or an emulator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.access.options import Access, is_set
from naiad.repository.stores.address import StoreReference


def google_access(reference: StoreReference, given: Any, environ: Mapping[str, str]) -> Access:
    """Say how to reach Google Cloud Storage, or an emulator of it. Raises InvalidConfiguration."""
    file = str(given) if given else environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    emulator = environ.get("STORAGE_EMULATOR_HOST", "")
    if file and not Path(file).is_file():
        raise InvalidConfiguration(f"{reference}: there is no file {file}, which should have Google's credentials")
    if emulator:
        address = re.sub(r"/storage/v1/?$|/$", "", emulator if "://" in emulator else f"http://{emulator}")
        if not address.startswith(("http://", "https://")):
            raise InvalidConfiguration(f"STORAGE_EMULATOR_HOST is {emulator}, but must be HOST:PORT or an http address")
        options = {"base_url": address, "skip_signature": True}
        return Access(options, "an emulator's no credentials", address)
    if file:
        return Access({"application_credentials": file}, f"the credentials in {file}")
    if is_set(environ, "GOOGLE_SKIP_SIGNATURE"):
        return Access({"skip_signature": True}, "no credentials")
    return Access({}, "the machine's service account, because GOOGLE_APPLICATION_CREDENTIALS is not set")
