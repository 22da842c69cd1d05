"""Documents as YAML: keys in the order in which they were put together, texts of several lines as such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from naiad import __version__
from naiad.kubernetes.deployment import Document

KUSTOMIZATION = "kustomization.yaml"


def image_of_this_version() -> str:
    """The image's name where nobody says another."""
    return f"naiad:{__version__}"


def to_yaml(documents: Iterable[Document]) -> str:
    """Return a stream of documents."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes no references: what is equal is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    def write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, write_text)
    return "---\n".join(
        yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120) for document in documents
    )


def kustomization(files: Iterable[str], namespace: str = "") -> Document:
    """Return what lists the files for `kubectl apply -k`."""
    document: Document = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    if namespace:
        document["namespace"] = namespace
    return document | {"resources": list(files)}
