"""Every backend and every kind of model on it, tensors and encoders, through the same cases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_models import KINDS, Kind, close_all, packed_files, run

from naiad.backends.registry import BACKENDS, ENCODERS, find_backend
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.errors import InvalidRequest, LoadFailed


@pytest.fixture(scope="module", params=KINDS)
def kind(request: Any) -> Kind:
    return KINDS[request.param]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture(scope="module")
def folder(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the model's files, and of what is prepared of them, once for all tests."""
    return tmp_path_factory.mktemp(kind.backend)


def test_every_backend_is_held_to_this_contract() -> None:
    assert {kind.backend for kind in KINDS.values()} == BACKENDS.keys()


def test_there_are_as_many_as_were_asked_for(kind: Kind, folder: Path) -> None:
    instances = kind.load(folder, "m_0", "m_1", wide_threads=1)
    assert instances.names == ("m_0", "m_1")
    assert (len(instances.narrow), instances.wide) == (2, None)
    assert instances.device == "cpu"
    instances.close()


def test_who_wants_all_cores_says_so(kind: Kind, folder: Path) -> None:
    instances = kind.load(folder, "m_0", wide_threads=2)
    assert (instances.wide is not None) == kind.has_wide
    assert len(instances.all) == 1 + kind.has_wide
    instances.close()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_item_has_its_result_in_order(count: int, kind: Kind, folder: Path) -> None:
    """Narrow and wide alike."""
    items = [kind.item(seed) for seed in range(1, 1 + count)]
    instances = kind.load(folder, "m_0", "m_1")
    for instance in instances.all:
        for item, result in zip(items, run(instance, *items), strict=True):
            kind.check(item, result)
    instances.close()


def test_an_error_is_returned_in_its_place(kind: Kind, folder: Path) -> None:
    good, other = kind.item(1), kind.item(2)
    for instance in kind.load(folder, "m_0").all:
        first, second, third = run(instance, good, kind.bad(), other)
        kind.check(good, first)
        assert isinstance(second, InvalidRequest)
        kind.check(other, third)
        assert [type(result) for result in run(instance, kind.bad())] == [InvalidRequest]


def test_stamps_are_set(kind: Kind, folder: Path) -> None:
    for instance in kind.load(folder, "m_0").all:
        batch = Batch([kind.item(1)])
        run(instance, batch=batch)
        assert 0 < batch.input_ready_s <= batch.output_ready_s


def test_instances_run_at_once_and_close_one_by_one(kind: Kind, folder: Path) -> None:
    first, second = kind.load(folder, "m_0", "m_1", wide_threads=1).narrow
    failures: list[BaseException] = []

    def work(instance: Any, begin: int) -> None:
        try:
            for seed in range(begin, 100, 2):
                item = kind.item(seed)
                kind.check(item, run(instance, item)[0])
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=one) for one in ((first, 0), (second, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    first.close()
    kind.check(kind.item(1), run(second, kind.item(1))[0])
    second.close()


@pytest.mark.parametrize("name", sorted(BACKENDS.keys() - {ENCODERS}))
def test_a_backend_without_encoders_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="runs no encoders"):
        find_backend(name).load(LoadRequest(packed_files(tmp_path), ("m_0",)))
