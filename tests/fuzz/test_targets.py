"""A moment of every fuzz target: the seeds, what was found before, mutations of them. `make fuzz` goes on longer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import mutated
from seeds import CORPUS, seeds
from targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_and_what_was_found_before(name: str) -> None:
    found = seeds(name)
    assert found
    for data in found:
        TARGETS[name](data)


def test_every_folder_of_the_corpus_is_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS) if CORPUS.exists() else True


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(data=st.data())
def test_mutations(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(mutated(seeds(name))))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40)
@given(data=st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)
