"""What the local Hub answers: one handler for the Hub's own routes and for its CDN.

Paths, headers and bodies are those of the Hub's HTTP interface as `huggingface_hub` uses it; git-lfs' batch protocol
for uploads. How a request is read and a body sent is in `hub_server`; the state is in `local_hub`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from naiad.testing.hub_server import HubHandler, Route

if TYPE_CHECKING:
    from naiad.testing.local_hub import Repository

_REPO = r"(?P<repo>[^/]+/[^/]+?)"


class HubAnswers(HubHandler):
    """The routes, as methods that take the parts of the path."""

    # -- who may read ---------------------------------------------------------------------------------------------

    def _repository(self, repo_id: str, *, wants_content: bool) -> Repository | None:
        """The repository, or None after refusing; error codes and statuses as the Hub gives them."""
        hub = self.server.hub
        repository = hub.repositories.get(repo_id)
        known = hub.writers.union(*(each.tokens for each in hub.repositories.values()))
        if self.token and self.token not in known:
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return None
        may_read = repository is not None and (self.token in repository.tokens or self.token in hub.writers)
        if repository is None or (repository.is_private and not may_read):
            self.refuse(404 if self.token else 401, "RepoNotFound", "Repository not found")
            return None
        if repository.is_gated and wants_content and not may_read:
            self.refuse(403 if self.token else 401, "GatedRepo", f"Access to model {repo_id} is restricted.")
            return None
        return repository

    def _revision(self, repository: Repository | None, revision: str) -> str | None:
        commit = repository.commit_of(revision) if repository is not None else None
        if repository is not None and commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _may_write(self) -> bool:
        if self.token not in self.server.hub.writers:
            self.refuse(401 if not self.token else 403, "", "You need a token with write access")
            return False
        return True

    # -- reading ------------------------------------------------------------------------------------------------------

    def _model_info(self, repo: str, revision: str = "main") -> None:
        repository = self._repository(repo, wants_content=False)
        commit = self._revision(repository, revision)
        if repository is None or commit is None:
            return
        siblings = [self._sibling(path, content) for path, content in sorted(repository.commits[commit].items())]
        self.answer(
            200,
            {
                "id": repo,
                "modelId": repo,
                "sha": commit,
                "private": repository.is_private,
                "gated": "manual" if repository.is_gated else False,
                "tags": [],
                "siblings": siblings,
            },
        )

    def _sibling(self, path: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git_blob_id(content)}
        if not self.server.hub.gives_sizes:
            return {"rfilename": path}
        if self._is_lfs(path):
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry

    def _is_lfs(self, path: str) -> bool:
        return path.endswith(self.server.hub.lfs_suffixes)

    def _refs(self, repo: str) -> None:
        repository = self._repository(repo, wants_content=False)
        if repository is not None:
            kinds = {"branches": ("heads", repository.branches), "tags": ("tags", repository.tags)}
            listing = {
                kind: [{"name": n, "ref": f"refs/{ref}/{n}", "targetCommit": c} for n, c in names.items()]
                for kind, (ref, names) in kinds.items()
            }
            self.answer(200, {**listing, "converts": []})

    def _tree(self, repo: str, revision: str) -> None:
        repository = self._repository(repo, wants_content=False)
        commit = self._revision(repository, revision)
        if repository is None or commit is None:
            return
        entries = []
        for path, content in sorted(repository.commits[commit].items()):
            sibling = self._sibling(path, content)
            entry = {"type": "file", "path": path, "size": len(content), "oid": sibling["blobId"]}
            if "lfs" in sibling:
                entry["lfs"] = {"oid": sibling["lfs"]["sha256"], "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self.answer(200, entries)

    def _resolve(self, repo: str, revision: str, path: str) -> None:
        repository = self._repository(repo, wants_content=True)
        commit = self._revision(repository, revision)
        if repository is None or commit is None:
            return
        content = repository.commits[commit].get(path)
        if content is None:
            self.answer(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        elif self._is_lfs(path):
            digest = hashlib.sha256(content).hexdigest()
            self.server.hub.uploads[digest] = content
            headers = {"X-Repo-Commit": commit, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            if self.server.hub.xet_url:
                headers["X-Xet-Hash"] = digest
                headers["X-Xet-Refresh-Route"] = f"{self.server.hub.url}/api/models/{repo}/xet-read-token/{commit}"
            self.send(302, b"", {**headers, "Location": f"{self.server.hub.cdn_url}/blobs/{digest}/{path}"})
        else:
            self.send_file(path, content, {"X-Repo-Commit": commit, "ETag": f'"{git_blob_id(content)}"'})

    def _xet_token(self, repo: str, revision: str) -> None:
        if self._revision(self._repository(repo, wants_content=True), revision) is not None:
            headers = {"X-Xet-Cas-Url": self.server.hub.xet_url, "X-Xet-Access-Token": "x"}
            self.answer(200, {}, {**headers, "X-Xet-Token-Expiration": "99999999999"})

    def _blob(self, digest: str, path: str) -> None:
        self.send_file(path, self.server.hub.uploads[digest], {"ETag": f'"{digest}"'})

    # -- writing ------------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        if not self._may_write():
            return
        wanted = json.loads(self.body)
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        if repo_id in self.server.hub.repositories:
            self.answer(
                409, {"error": "You already created this model repo", "url": f"{self.server.hub.url}/{repo_id}"}
            )
            return
        self.server.hub.add(repo_id, {}, is_private=wanted.get("visibility") == "private")
        self.answer(200, {"url": f"{self.server.hub.url}/{repo_id}", "name": repo_id})

    def _validate_card(self) -> None:
        self.answer(200, {"errors": [], "warnings": []})

    def _preupload(self, repo: str, revision: str) -> None:
        repository = self._repository(repo, wants_content=True)
        if self._revision(repository, revision) is not None and self._may_write():
            paths = [entry["path"] for entry in json.loads(self.body)["files"]]
            modes = [
                {"path": path, "uploadMode": "lfs" if self._is_lfs(path) else "regular", "shouldIgnore": False}
                for path in paths
            ]
            self.answer(200, {"files": modes})

    def _lfs_batch(self, repo: str) -> None:
        if self._repository(repo, wants_content=True) is None or not self._may_write():
            return
        objects: list[dict[str, Any]] = []
        for entry in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.server.hub.cdn_url}/uploads/{entry['oid']}", "header": {}}
            objects.append({**entry, "actions": {"upload": upload}})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def _upload(self, digest: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != digest:
            self.answer(400, {"error": "the bytes do not have this sha256"})
            return
        self.server.hub.uploads[digest] = self.body
        self.answer(200, {})

    def _commit(self, repo: str, revision: str) -> None:
        repository = self._repository(repo, wants_content=True)
        parent = self._revision(repository, revision)
        if repository is None or parent is None or not self._may_write():
            return
        files = dict(repository.commits[parent])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.hub.uploads[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
        name = repository.commit(files, revision)
        self.answer(
            200, {"success": True, "commitOid": name, "commitUrl": f"{self.server.hub.url}/{repo}/commit/{name}"}
        )


def git_blob_id(content: bytes) -> str:
    """Git's name for a file's content, which the Hub gives for small files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _route(method: str, pattern: str, answer: Callable[..., None]) -> Route:
    return method, re.compile(pattern.replace("REPO", _REPO)), answer


HubAnswers.routes = [
    _route("GET", "/api/models/REPO", HubAnswers._model_info),
    _route("GET", "/api/models/REPO/revision/(?P<revision>.+)", HubAnswers._model_info),
    _route("GET", "/api/models/REPO/refs", HubAnswers._refs),
    _route("GET", "/api/models/REPO/tree/(?P<revision>[^/]+)", HubAnswers._tree),
    _route("GET", "/REPO/resolve/(?P<revision>refs/[^/]+/[^/]+|[^/]+)/(?P<path>.+)", HubAnswers._resolve),
    _route("GET", "/blobs/(?P<digest>[0-9a-f]{64})/(?P<path>.+)", HubAnswers._blob),
    _route("GET", "/api/models/REPO/xet-read-token/(?P<revision>[^/]+)", HubAnswers._xet_token),
    _route("POST", "/api/repos/create", HubAnswers._create),
    _route("POST", "/api/validate-yaml", HubAnswers._validate_card),
    _route("POST", "/api/models/REPO/preupload/(?P<revision>.+)", HubAnswers._preupload),
    _route("POST", r"/REPO\.git/info/lfs/objects/batch", HubAnswers._lfs_batch),
    _route("PUT", "/uploads/(?P<digest>[0-9a-f]{64})", HubAnswers._upload),
    _route("POST", "/api/models/REPO/commit/(?P<revision>.+)", HubAnswers._commit),
]
