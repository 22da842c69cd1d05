"""The local Hub, asked by the real huggingface_hub client where that is the point, and plainly where it is not."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, hf_hub_download, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from naiad.testing import LocalHub

TOKEN = "hf_" + "t" * 34


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with LocalHub() as running:
        yield running
    close_session()


def get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_listing_and_downloading(hub: LocalHub, tmp_path: Path) -> None:
    commit = hub.add("org/name", {"config.json": "{}", "sub/model.safetensors": b"weights"})
    info = HfApi(endpoint=hub.url).model_info("org/name", files_metadata=True)
    assert info.sha == commit
    assert {each.rfilename: each.size for each in info.siblings or []} == {"config.json": 2, "sub/model.safetensors": 7}
    path = hf_hub_download("org/name", "sub/model.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert Path(path).read_bytes() == b"weights"
    assert hub.count("GET", "/blobs/") == 1


def test_whole_snapshots(hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "source" / "sub" / "file").write_text("x")
    commit = hub.add_folder("org/name", tmp_path / "source")
    folder = snapshot_download("org/name", endpoint=hub.url, cache_dir=tmp_path / "cache", token=False)
    assert (Path(folder).name, (Path(folder) / "sub" / "file").read_text()) == (commit, "x")


def test_branches_and_tags(hub: LocalHub) -> None:
    first = hub.add("org/name", {"a": b"1"})
    hub.tag("org/name", "v1", first)
    second = hub.add("org/name", {"a": b"2"}, branch="dev")
    refs = HfApi(endpoint=hub.url, token=False).list_repo_refs("org/name")
    assert {ref.name: ref.target_commit for ref in [*refs.branches, *refs.tags]} == {
        "main": first, "dev": second, "v1": first,
    }  # fmt: skip
    assert hub.files("org/name", "v1") == {"a": b"1"}
    with pytest.raises(RevisionNotFoundError):
        HfApi(endpoint=hub.url, token=False).model_info("org/name", revision="v2")


def test_who_may_read(hub: LocalHub, tmp_path: Path) -> None:
    hub.add("org/private", {"a": b"1"}, is_private=True, tokens=(TOKEN,))
    hub.add("org/gated", {"a": b"1"}, is_gated=True, tokens=(TOKEN,))
    anonymous, reader = HfApi(endpoint=hub.url, token=False), HfApi(endpoint=hub.url, token=TOKEN)
    with pytest.raises(RepositoryNotFoundError):
        anonymous.model_info("org/private")
    assert anonymous.model_info("org/gated").sha
    with pytest.raises(GatedRepoError):
        hf_hub_download("org/gated", "a", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert reader.model_info("org/private").sha
    assert Path(hf_hub_download("org/gated", "a", endpoint=hub.url, cache_dir=tmp_path, token=TOKEN)).read_text() == "1"
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(endpoint=hub.url, token="hf_unknown").model_info("org/gated")


def test_ranges(hub: LocalHub) -> None:
    hub.add("org/name", {"a": b"0123456789"})
    url = f"{hub.url}/org/name/resolve/main/a"
    assert get(url, Range="bytes=4-") == (206, b"456789")
    assert get(url, Range="bytes=10-")[0] == 416


def test_faults(hub: LocalHub) -> None:
    hub.add("org/name", {"a": b"0123456789", "b": b"x"})
    url = f"{hub.url}/org/name/resolve/main"
    hub.fail_next(503, times=2, path="/a")
    assert [get(f"{url}/{name}")[0] for name in ("b", "a", "a", "a")] == [200, 503, 503, 200]
    hub.corrupt_next("a")
    assert get(f"{url}/a") == (200, b"012345678" + bytes([ord("9") ^ 1]))
    hub.cut_next("a", after_bytes=3)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(f"{url}/a")
    assert caught.value.partial == b"012"
    hub.fail_next(500, times=9)
    hub.mend()
    assert get(f"{url}/a")[0] == 200


def test_nobody_listens_for_a_while(hub: LocalHub) -> None:
    hub.add("org/name", {"a": b"1"})
    url = hub.url
    with hub.refused_connections(), pytest.raises(urllib.error.URLError, match="refused"):
        get(f"{url}/api/models/org/name")
    assert (hub.url, get(f"{url}/api/models/org/name")[0]) == (url, 200)


def test_what_it_does_not_know(hub: LocalHub) -> None:
    assert get(f"{hub.url}/api/datasets/org/name")[0] == 404
    assert [request.path for request in hub.requests] == ["/api/datasets/org/name"]


def test_writing_needs_the_right(hub: LocalHub) -> None:
    hub.writers.add(TOKEN)
    with pytest.raises(HfHubHTTPError):
        HfApi(endpoint=hub.url, token=False).create_repo("me/new")
    api = HfApi(endpoint=hub.url, token=TOKEN)
    api.create_repo("me/new")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/new")
    assert hub.files("me/new") == {"a.txt": b"x"}
