"""S3: the usual AWS variables, a profile in ~/.aws, a role, or nobody in particular."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.access.options import VARIABLE, Access, filled, is_set
from naiad.repository.stores.address import StoreReference

_USUAL_REGION = "us-east-1"

_ROLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
"""Variables by which Kubernetes and ECS say that there are credentials to be had."""

_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
}
_FILE_KEYS = {
    "key_id": "access_key_id",
    "secret_key": "secret_access_key",
    "session_token": "session_token",
    "region": "region",
}
_PROFILE_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}


def s3_access(reference: StoreReference, given: Any, environ: Mapping[str, str]) -> Access:
    """Say how to reach S3, or what speaks its protocol. Raises InvalidConfiguration."""
    identity, how = _identity(given, environ)
    place = {
        "region": environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        "endpoint": environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"),
    }
    named = {"endpoint": reference.endpoint}
    if given is None:
        return Access({"region": _USUAL_REGION, **identity, **filled(place), **filled(named)}, how)
    return Access({"region": _USUAL_REGION, **filled(place), **identity, **filled(named)}, how)


def _identity(given: Any, environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Who we are, and what a profile says of the place besides; and that in words."""
    if given is not None:
        if not isinstance(given, dict):
            raise InvalidConfiguration(f"{VARIABLE}: an entry of s3 must have key_id and secret_key")
        own = _renamed(given, _FILE_KEYS)
        profile = str(given.get("profile") or "")
        return own | (_profile(profile, environ) if profile else {}), f"the credentials of {VARIABLE}"
    if is_set(environ, "AWS_SKIP_SIGNATURE"):
        return {"skip_signature": True}, "no credentials"
    if environ.get("AWS_ACCESS_KEY_ID"):
        return _renamed(environ, _VARIABLES), "the environment's credentials"
    if any(environ.get(name) for name in _ROLES):
        return {}, "the role that the environment names"
    profile = environ.get("AWS_PROFILE", "")
    own = _profile(profile, environ)
    if own.get("access_key_id"):
        return own, f"the AWS profile '{profile or 'default'}'"
    if is_set(environ, "AWS_EC2_METADATA_DISABLED"):
        return own | {"skip_signature": True}, "no credentials, because there are none"
    return own, "the machine's role, because neither AWS_ACCESS_KEY_ID nor AWS_PROFILE is set"


def _profile(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What ~/.aws has for a profile, by default nothing. Raises InvalidConfiguration for one that it does not have."""
    home = Path(environ.get("HOME", "/")) / ".aws"
    credentials = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    settings = Path(environ.get("AWS_CONFIG_FILE") or home / "config")
    section = name or "default"
    found: dict[str, Any] = {}
    for path, title in ((settings, f"profile {section}"), (settings, section), (credentials, section)):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(f"{path} cannot be read as an AWS profile: {error}") from error
        if parser.has_section(title):
            found |= _renamed(parser[title], _PROFILE_KEYS)
    if name and not found:
        raise InvalidConfiguration(f"neither {settings} nor {credentials} has the AWS profile '{name}'")
    return found


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {own: str(values[name]) for name, own in names.items() if values.get(name)}
