from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.stores.access.access import access_to
from naiad.repository.stores.access.options import VARIABLE
from naiad.repository.stores.address import StoreReference

S3 = StoreReference("s3", "bucket", "models")
OWN = StoreReference("s3", "bucket", "models", "http://localhost:9000")
GS = StoreReference("gs", "bucket", "models")
AZURE = StoreReference("as", "container", "models", account="account")

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
SAID = {"access_key_id": "id", "secret_access_key": "secret"}
EAST = {"region": "us-east-1"}


@pytest.mark.parametrize(
    ("reference", "environ", "expected"),
    [
        (S3, KEYS, {**EAST, **SAID}),
        (S3, {**KEYS, "AWS_SESSION_TOKEN": "t"}, {**EAST, **SAID, "session_token": "t"}),
        (S3, {**KEYS, "AWS_DEFAULT_REGION": "eu-west-1"}, {**SAID, "region": "eu-west-1"}),
        (S3, {**KEYS, "AWS_DEFAULT_REGION": "x", "AWS_REGION": "eu-west-1"}, {**SAID, "region": "eu-west-1"}),
        (S3, {**KEYS, "AWS_ENDPOINT_URL": "https://minio"}, {**EAST, **SAID, "endpoint": "https://minio"}),
        (
            S3,
            {**KEYS, "AWS_ENDPOINT_URL": "https://all", "AWS_ENDPOINT_URL_S3": "https://s3"},
            {**EAST, **SAID, "endpoint": "https://s3"},
        ),
        (
            OWN,
            {**KEYS, "AWS_ENDPOINT_URL": "https://minio"},
            {**EAST, **SAID, "endpoint": "http://localhost:9000"},
        ),
        (S3, {"AWS_SKIP_SIGNATURE": "true"}, {**EAST, "skip_signature": True}),
        (S3, {"AWS_EC2_METADATA_DISABLED": "true"}, {**EAST, "skip_signature": True}),
        (S3, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, EAST),
        (S3, {}, EAST),
        (GS, {}, {}),
        (GS, {"GOOGLE_SKIP_SIGNATURE": "1"}, {"skip_signature": True}),
        (
            GS,
            {"STORAGE_EMULATOR_HOST": "localhost:4443"},
            {"base_url": "http://localhost:4443", "skip_signature": True},
        ),
        (
            GS,
            {"STORAGE_EMULATOR_HOST": "https://localhost:4443/storage/v1/"},
            {"base_url": "https://localhost:4443", "skip_signature": True},
        ),
        (AZURE, {}, {"account_name": "account", "skip_signature": True}),
        (AZURE, {"AZURE_STORAGE_KEY": "a2V5"}, {"account_name": "account", "account_key": "a2V5"}),
        (AZURE, {"AZURE_STORAGE_SAS_TOKEN": "sv=1"}, {"account_name": "account", "sas_key": "sv=1"}),
        (AZURE, {"AZURE_STORAGE_AUTH_TYPE": "default"}, {"account_name": "account"}),
        (
            AZURE,
            {"AZURE_STORAGE_AUTH_TYPE": "managed_identity", "AZURE_STORAGE_CLIENT_ID": "me"},
            {"account_name": "account", "client_id": "me"},
        ),
        (
            AZURE,
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;AccountKey=a2V5;EndpointSuffix=core.example.org"},
            {"account_name": "other", "account_key": "a2V5", "endpoint": "https://other.blob.core.example.org"},
        ),
        (
            AZURE,
            {
                "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;BlobEndpoint=http://localhost:1/a;SharedAccessSignature=s"
            },
            {"account_name": "a", "endpoint": "http://localhost:1/a", "sas_key": "s"},
        ),
    ],
)
def test_the_environment_says_who_and_where(
    tmp_path: Path, reference: StoreReference, environ: Mapping[str, str], expected: Mapping[str, Any]
) -> None:
    assert access_to(reference, {"HOME": str(tmp_path), **environ}).options == expected


def test_only_an_address_that_says_so_is_reached_without_tls() -> None:
    assert access_to(OWN, KEYS).is_plain
    assert not access_to(S3, KEYS).is_plain
    assert not access_to(StoreReference("s3", "bucket", "", "https://localhost:1"), KEYS).is_plain


@pytest.mark.parametrize("profile", ["", "work"])
def test_a_profile_is_read(tmp_path: Path, profile: str) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b%\n"
        "[work]\naws_access_key_id = c\naws_secret_access_key = d%\naws_session_token = e\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        "[default]\nregion = eu-north-1\n[profile work]\nendpoint_url = https://w\n"
    )
    found = access_to(S3, {"HOME": str(tmp_path), **({"AWS_PROFILE": profile} if profile else {})}).options
    if profile:
        assert found == {**EAST, "access_key_id": "c", "secret_access_key": "d%", "session_token": "e",
                         "endpoint": "https://w"}  # fmt: skip
    else:
        assert found == {"region": "eu-north-1", "access_key_id": "a", "secret_access_key": "b%"}


def test_the_longest_key_of_the_credential_file_wins_and_goes_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(
        json.dumps({
            "s3": {
                "": {"key_id": "general", "secret_key": "1"},
                "s3://bucket": {"key_id": "special", "secret_key": "2", "region": "eu-west-3", "session_token": "3"},
                "s3://bucket/other": {"key_id": "wrong", "secret_key": "4"},
            },
            "as": {"as://account": {"account_str": "account", "account_key": "a2V5"}},
        })
    )  # fmt: skip
    environ = {VARIABLE: str(file), **KEYS, "AZURE_STORAGE_KEY": "b3RoZXI="}
    assert access_to(S3, environ).options == {
        "region": "eu-west-3", "access_key_id": "special", "secret_access_key": "2", "session_token": "3"
    }  # fmt: skip
    assert access_to(StoreReference("s3", "another"), environ).options["access_key_id"] == "general"
    assert access_to(AZURE, environ).options == {"account_name": "account", "account_key": "a2V5"}


@pytest.mark.parametrize(
    ("reference", "environ", "words"),
    [
        (S3, {VARIABLE: "/no/such"}, f"{VARIABLE} names /no/such, which cannot be read"),
        (S3, {"AWS_PROFILE": "absent"}, "has the AWS profile 'absent'"),
        (GS, {"GOOGLE_APPLICATION_CREDENTIALS": "/no/such"}, "there is no file /no/such"),
        (AZURE, {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=!"}, "AccountKey is not base64"),
        (AZURE, {"AZURE_STORAGE_CONNECTION_STRING": "garbage"}, "has no key: it looks like AccountName=…;AccountKey=…"),
        (GS, {"STORAGE_EMULATOR_HOST": "file:///etc"}, "STORAGE_EMULATOR_HOST is file:///etc, but must be HOST:PORT"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, reference: StoreReference, environ: Mapping[str, str], words: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=r".") as caught:
        access_to(reference, {"HOME": str(tmp_path), **environ})
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["[]", "{", '{"s3": 3}'])
def test_a_credential_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(InvalidConfiguration, match="is not JSON of the form"):
        access_to(S3, {VARIABLE: str(tmp_path / "file")})


def test_no_secret_is_in_what_is_printed() -> None:
    access = access_to(S3, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hidden"})
    assert "hidden" not in f"{access}{access!r}{access.how}"
