"""Every error class has its status."""

from __future__ import annotations

import inspect

import pytest

from naiad.core import errors
from naiad.protocol.status import TABLE, grpc_status, http_status

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.NaiadError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_is_in_the_table(cls: type[errors.NaiadError]) -> None:
    assert cls in TABLE
    assert (http_status(cls("x")), grpc_status(cls("x"))) == TABLE[cls]


def test_a_subclass_takes_the_status_of_its_nearest_parent() -> None:
    class Odd(errors.NotFound):
        pass

    assert http_status(Odd("x")) == 404


def test_codes_are_stable_and_differ() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)
