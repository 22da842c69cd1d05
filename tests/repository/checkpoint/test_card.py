from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from naiad.repository import model_name, parse_reference
from naiad.repository.checkpoint.card import hub_id, read_card

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("# org/name\n", "org/name"),
        ("---\nlicense: mit\n---\n\n# name\n\nSentenceTransformer('org/name')\n", "org/name"),
        ("# name\nfrom_pretrained('org/name'), again org/name", "org/name"),
        ("# name\nsee one/name and two/name", ""),
        ("# name\nno id at all", ""),
        ("# A fine model\norg/name", ""),
        ("no title, org/name", ""),
        ("# name\nhttps://huggingface.co/org/name-large", ""),
        ("", ""),
    ],
)
def test_an_id_is_read_only_where_it_is_plainly_there(card: str, expected: str, make_folder: Make) -> None:
    assert hub_id(make_folder("m", {"README.md": card.encode()})) == expected


@pytest.mark.parametrize(
    ("card", "front"),
    [
        (b"---\npipeline_tag: fill-mask\n---\ntext", {"pipeline_tag": "fill-mask"}),
        (b"---\r\npipeline_tag: fill-mask\r\n---\r\ntext", {"pipeline_tag": "fill-mask"}),
        (b"---\n[not, a, mapping]\n---\ntext", {}),
        (b"---\nbroken: [\n---\ntext", {}),
        (b"\xff\xfe\x00", {}),
    ],
)
def test_front_matter(card: bytes, front: dict[str, str], make_folder: Make) -> None:
    assert read_card(make_folder("m", {"README.md": card}))[0] == front


def test_no_card_no_word(tmp_path: Path) -> None:
    assert read_card(tmp_path) == ({}, "")


def test_only_a_package_asks_its_card_for_a_name(make_folder: Make) -> None:
    folder = make_folder("mine", {"README.md": b"# org/base-model"})
    assert model_name(parse_reference(str(folder)), folder) == "mine"
    assert model_name(parse_reference("pkg://some_module/mine"), folder) == "base-model"
    assert model_name(parse_reference("pkg://some_module/x"), folder.parent) == "some-module"
