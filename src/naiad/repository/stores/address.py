"""Addresses of folders in object stores, as Triton and KServe write them.

s3://bucket/path                        Amazon S3
s3://host:port/bucket/path              a store of one's own, over http
s3://https://host:port/bucket/path      the same over https (or http://)
gs://bucket/path                        Google Cloud Storage
as://account/container/path             Azure Blob Storage; the account's full host will do as well
https://account.blob.core.windows.net/container/path    the same, as KServe has it
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from naiad.core.errors import InvalidConfiguration

if TYPE_CHECKING:
    from naiad.repository.stores.listing import Listing

SCHEMES = ("s3", "gs", "as")

_FORMS = {
    "s3": "s3://bucket/path or s3://https://host:port/bucket/path",
    "gs": "gs://bucket/path",
    "as": "as://account/container/path",
}
_ENDPOINT = re.compile(r"(?P<protocol>https?://)?(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?P<port>:[0-9]+)?")
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{1,221}")
_ACCOUNT = re.compile(r"[a-z0-9-]{3,24}")
_AZURE_HOST = re.compile(r"(?P<account>[a-z0-9-]{3,24})\.blob\.(?P<suffix>core\.[a-z.]+)")
_USUAL_SUFFIX = "core.windows.net"


@dataclass(frozen=True, slots=True)
class StoreReference:
    """A folder in an object store: every object whose name begins with its path and a slash."""

    scheme: str
    """One of SCHEMES."""
    bucket: str
    """Azure calls it a container."""
    path: str = ""
    """Without slashes at its ends; empty: the whole bucket."""
    endpoint: str = ""
    """Address of a store of one's own, such as http://localhost:9000; empty: the environment's word, or the cloud's."""
    account: str = ""
    """Azure's."""
    listing: Listing | None = field(default=None, compare=False, repr=False)
    """What was found there; None: nobody has looked yet."""
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        parts = self.path.split("/") if self.path else []
        if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
            raise InvalidConfiguration(
                f"{self}: the path must be plain names with slashes between them", source=str(self)
            )

    @property
    def default_name(self) -> str:
        """The last part of the path, or the bucket's name."""
        return (self.path or self.bucket).rsplit("/", 1)[-1]

    def child(self, name: str, listing: Listing) -> StoreReference:
        """Return the reference of a folder in it. listing: what is in that."""
        return replace(self, path=f"{self.path}/{name}" if self.path else name, listing=listing)

    def __str__(self) -> str:
        path = f"/{self.path}" if self.path else ""
        if self.scheme == "as":
            return f"as://{self.endpoint.partition('://')[2] or self.account}/{self.bucket}{path}"
        return f"{self.scheme}://{self.endpoint}{'/' * bool(self.endpoint)}{self.bucket}{path}"


def parse_store(text: str, scheme: str, body: str) -> StoreReference:
    """Read what stands behind `s3://`, `gs://` or `as://`. Raises InvalidConfiguration."""
    try:
        return {"s3": _parse_s3, "gs": _parse_gs, "as": _parse_as}[scheme](body)
    except ValueError as error:
        raise InvalidConfiguration(f"'{text}': {error}; write {_FORMS[scheme]}", source=text) from error


def parse_azure_url(host: str, path: str) -> StoreReference | None:
    """Read https://ACCOUNT.blob.core.windows.net/container/path; None where the host is no such account."""
    if _AZURE_HOST.fullmatch(host.lower()) is None:
        return None
    return parse_store(f"https://{host}/{path}", "as", f"{host.lower()}/{path}")


def _parse_s3(body: str) -> StoreReference:
    has_protocol = body.startswith(("http://", "https://"))
    protocol, _, rest = body.partition("://") if has_protocol else ("http", "", body)
    host, _, below = rest.partition("/")
    if not has_protocol and ":" not in host:
        return StoreReference("s3", *_bucket_and_path(rest))
    if _ENDPOINT.fullmatch(host) is None:
        raise ValueError(f"'{host}' is no host")
    return StoreReference("s3", *_bucket_and_path(below), endpoint=f"{protocol}://{host}")


def _parse_gs(body: str) -> StoreReference:
    return StoreReference("gs", *_bucket_and_path(body))


def _parse_as(body: str) -> StoreReference:
    account, _, rest = body.partition("/")
    endpoint = ""
    host = _AZURE_HOST.fullmatch(account.lower())
    if host is not None:
        account = host["account"]
        if host["suffix"] != _USUAL_SUFFIX:
            endpoint = f"https://{host[0]}"
    if _ACCOUNT.fullmatch(account) is None:
        raise ValueError(f"'{account}' is not the name of a storage account")
    return StoreReference("as", *_bucket_and_path(rest), endpoint=endpoint, account=account)


def _bucket_and_path(body: str) -> tuple[str, str]:
    bucket, _, path = body.partition("/")
    if not bucket:
        raise ValueError("it names no bucket")
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(f"'{bucket}' is not the name of a bucket")
    return bucket, path.rstrip("/")
