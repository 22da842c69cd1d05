"""Who we are to an object store, and where it is: from the environment and from Triton's file of credentials.

The file that TRITON_CLOUD_CREDENTIAL_PATH names goes before the environment. Its entries are for addresses that begin
with their key, the longest first:

    {"s3": {"": {"key_id": "…", "secret_key": "…", "session_token": "…", "region": "…", "profile": "…"}},
     "gs": {"gs://bucket": "/path/of/service-account.json"},
     "as": {"as://account": {"account_str": "account", "account_key": "…"}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.access.azure import azure_access
from naiad.repository.stores.access.google import google_access
from naiad.repository.stores.access.options import VARIABLE, Access
from naiad.repository.stores.access.s3 import s3_access
from naiad.repository.stores.address import StoreReference

_KINDS = {"s3": s3_access, "gs": google_access, "as": azure_access}


def access_to(reference: StoreReference, environ: Mapping[str, str]) -> Access:
    """Say how to reach a store. Reads files that the environment names; raises InvalidConfiguration for bad ones."""
    return _KINDS[reference.scheme](reference, _from_file(reference, environ), environ)


def _from_file(reference: StoreReference, environ: Mapping[str, str]) -> Any:
    """Return the entry of the credential file whose key fits best, or None."""
    path = environ.get(VARIABLE, "")
    if not path:
        return None
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8")).get(reference.scheme, {})
        fitting = [key for key in entries if str(reference).startswith(key)]
        return entries[max(fitting, key=len)] if fitting else None
    except OSError as error:
        raise InvalidConfiguration(f"{VARIABLE} names {path}, which cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidConfiguration(
            f'{path} ({VARIABLE}) is not JSON of the form {{"s3": {{"": {{…}}}}, "gs": …, "as": …}}'
        ) from error
