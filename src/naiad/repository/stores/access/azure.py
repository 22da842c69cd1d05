"""Azure Blob Storage: a connection string, a key, a shared access signature, a managed identity, or nobody."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.access.options import VARIABLE, Access, filled
from naiad.repository.stores.address import StoreReference


def azure_access(reference: StoreReference, given: Any, environ: Mapping[str, str]) -> Access:
    """Say how to reach Azure Blob Storage, or an emulator of it. Raises InvalidConfiguration."""
    options: dict[str, Any] = {"account_name": reference.account}
    if reference.endpoint:
        options["endpoint"] = reference.endpoint
    if given is not None:
        if not isinstance(given, dict):
            raise InvalidConfiguration(f"{VARIABLE}: an entry of as must have account_str and account_key")
        names = {"account_str": "account_name", "account_key": "account_key"}
        return Access(
            options | {own: str(given[name]) for name, own in names.items() if given.get(name)},
            f"the key of {VARIABLE}",
        )
    if environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        return Access(
            options | _connection(environ["AZURE_STORAGE_CONNECTION_STRING"], reference), "the connection string"
        )
    if environ.get("AZURE_STORAGE_AUTH_TYPE", "").lower() in ("managed_identity", "default"):
        client = environ.get("AZURE_STORAGE_CLIENT_ID") or environ.get("AZURE_CLIENT_ID", "")
        return Access(options | filled({"client_id": client}), "the managed identity")
    if environ.get("AZURE_STORAGE_KEY"):
        return Access(options | {"account_key": environ["AZURE_STORAGE_KEY"]}, "AZURE_STORAGE_KEY")
    if environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return Access(options | {"sas_key": environ["AZURE_STORAGE_SAS_TOKEN"]}, "AZURE_STORAGE_SAS_TOKEN")
    return Access(
        options | {"skip_signature": True}, "no credentials, because AZURE_STORAGE_KEY and its kin are not set"
    )


def _connection(text: str, reference: StoreReference) -> dict[str, Any]:
    """Read `AccountName=…;AccountKey=…;BlobEndpoint=…`."""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    suffix = parts.get("EndpointSuffix", "")
    account = parts.get("AccountName", reference.account)
    endpoint = parts.get("BlobEndpoint") or (f"https://{account}.blob.{suffix}" if suffix else "")
    key = parts.get("AccountKey", "")
    try:
        base64.b64decode(key, validate=True)
    except ValueError as error:
        raise InvalidConfiguration("AZURE_STORAGE_CONNECTION_STRING: its AccountKey is not base64") from error
    if not key and not parts.get("SharedAccessSignature"):
        raise InvalidConfiguration(
            "AZURE_STORAGE_CONNECTION_STRING has no key: it looks like AccountName=…;AccountKey=…, or has a "
            "SharedAccessSignature=…"
        )
    found = {"account_name": account, "account_key": key, "endpoint": endpoint}
    return filled({**found, "sas_key": parts.get("SharedAccessSignature", "")})
