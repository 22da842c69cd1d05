from __future__ import annotations

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.reference import HubReference, parse_reference
from naiad.repository.stores.address import StoreReference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket", StoreReference("s3", "bucket")),
        ("s3://bucket/", StoreReference("s3", "bucket")),
        ("s3://my.bucket-2/a/b/", StoreReference("s3", "my.bucket-2", "a/b")),
        ("s3://localhost:9000/bucket/a", StoreReference("s3", "bucket", "a", "http://localhost:9000")),
        ("s3://https://host:9000/bucket/a", StoreReference("s3", "bucket", "a", "https://host:9000")),
        ("s3://http://10.0.0.1:80/bucket", StoreReference("s3", "bucket", "", "http://10.0.0.1:80")),
        ("s3://https://minio.example.org/bucket/a", StoreReference("s3", "bucket", "a", "https://minio.example.org")),
        ("s3://[::1]:9000/bucket/a", StoreReference("s3", "bucket", "a", "http://[::1]:9000")),
        ("S3://bucket/a", StoreReference("s3", "bucket", "a")),
        ("gs://bucket/a b/c", StoreReference("gs", "bucket", "a b/c")),
        ("as://account/container/a", StoreReference("as", "container", "a", account="account")),
        (
            "as://account.blob.core.windows.net/container/a",
            StoreReference("as", "container", "a", account="account"),
        ),
        (
            "as://account.blob.core.chinacloudapi.cn/container",
            StoreReference("as", "container", "", "https://account.blob.core.chinacloudapi.cn", "account"),
        ),
        (
            "https://account.blob.core.windows.net/container/a/b",
            StoreReference("as", "container", "a/b", account="account"),
        ),
    ],
)
def test_every_form_is_read(text: str, expected: StoreReference) -> None:
    found = parse_reference(text)
    assert found == expected
    assert parse_reference(str(found)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3:/bucket/a", "did you mean 's3://bucket/a'"),
        ("s3://", "it names no bucket; write s3://bucket/path"),
        ("s3://localhost:9000", "it names no bucket"),
        ("s3://ho_st:9000/bucket", "'ho_st:9000' is no host"),
        ("s3://bucket/../secret", "the path must be plain names"),
        ("gs://bucket//a", "the path must be plain names"),
        ("gs://b", "'b' is not the name of a bucket"),
        ("as://account", "it names no bucket; write as://account/container/path"),
        ("as://A_ccount/container", "'A_ccount' is not the name of a storage account"),
        ("https://example.org/container", "models are not read from web addresses"),
        ("ftp://bucket/a", "unknown scheme ftp://"),
        ("pvc://claim/no/such", "mount the claim 'claim' at /mnt/pvc"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_fix(text: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r".") as caught:
        parse_reference(text)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://org/name:v1.0", HubReference("org/name", "v1.0")),
        ("hf://org/name:main/sub", HubReference("org/name", "main", "sub")),
        ("hf://org/name@v1.0", HubReference("org/name", "v1.0")),
    ],
)
def test_a_revision_may_stand_behind_a_colon_as_in_kserve(text: str, expected: HubReference) -> None:
    assert parse_reference(text) == expected


def test_a_models_name_is_the_last_part() -> None:
    assert StoreReference("s3", "bucket", "a/b").default_name == "b"
    assert StoreReference("s3", "bucket").default_name == "bucket"
