"""Decorators, called as a server calls them: lists of requests in, lists of answers out; no server here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidConfiguration, InvalidRequest
from naiad.functions import (
    ConstantPadder,
    FunctionModel,
    Request,
    Tensor,
    batch,
    fill_optionals,
    first_value,
    group_by_keys,
    group_by_values,
    pad_batch,
    sample,
)
from naiad.functions.context import serving
from naiad.functions.decorators.wrapping import stages

MODEL = FunctionModel(
    "m",
    "1",
    inputs=(Tensor((-1,), np.float32, "x"), Tensor((1,), np.int64, "n", optional=True)),
    outputs=(Tensor((-1,), np.float32, "y"),),
    max_batch_size=8,
    preferred_batch_sizes=(4,),
)
UNBATCHED = FunctionModel("u", "1", MODEL.inputs, MODEL.outputs)


def rows(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, np.float32).reshape(-1, 1)


def ask(function: Callable[..., Any], *requests: Any, model: FunctionModel = MODEL) -> list[Any]:
    """Call a function of any kind; of one that yields, everything that it yields."""
    with serving(model):
        returned = function([dict(request) for request in requests])
        if hasattr(returned, "__await__"):
            returned = asyncio.run(returned)
        elif hasattr(returned, "__anext__"):

            async def gather() -> list[Any]:
                return [one async for one in returned]

            returned = asyncio.run(gather())
        return list(returned)


def plain(answers: list[Any]) -> list[Any]:
    return [{name: array.tolist() for name, array in answer.items()} for answer in answers]


def doubled(x: Any) -> Any:
    return {"y": x * 2}


async def doubled_later(x: Any) -> Any:
    await asyncio.sleep(0)
    return {"y": x * 2}


class Doubling:
    def __call__(self, x: Any) -> Any:
        return {"y": x * 2}

    @batch
    def bound(self, x: Any) -> Any:
        return {"y": x * 2}

    @batch
    async def bound_later(self, x: Any) -> Any:
        return {"y": x * 2}


@pytest.mark.parametrize(
    "function",
    [
        batch(doubled),
        batch(doubled_later),
        batch(Doubling()),
        Doubling().bound,
        Doubling().bound_later,
        batch(lambda x: [x * 2]),
        batch(lambda x: (x * 2,)),
        batch(lambda x: x * 2),
    ],
)
def test_batch_joins_rows_and_gives_each_request_its_own(function: Any) -> None:
    answers = ask(function, {"x": rows(1, 2)}, {"x": rows(3)})
    assert plain(answers) == [{"y": [[2.0], [4.0]]}, {"y": [[6.0]]}]


def test_batch_of_a_generator_splits_what_is_yielded() -> None:
    @batch
    def twice(x: Any) -> Any:
        yield {"y": x}
        yield {"y": x * 10}

    @batch
    async def later(x: Any) -> Any:
        yield {"y": x}
        yield {"y": x * 10}

    for function in (twice, later):
        first, second = ask(function, {"x": rows(1)}, {"x": rows(2)})
        assert plain(first) == [{"y": [[1.0]]}, {"y": [[2.0]]}]
        assert plain(second) == [{"y": [[10.0]]}, {"y": [[20.0]]}]


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ({"y": rows(1)}, "must be the 3 rows"),
        ({"y": np.float32(1)}, "must be the 3 rows"),
        ({"y": [1, 2, 3]}, "of type list"),
        ([rows(1, 2, 3)] * 2, "returned 2 outputs; the model has 1: y"),
        ("abc", "returned str"),
        (None, "returned NoneType"),
    ],
)
def test_batch_says_what_is_wrong_with_a_result(returned: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        ask(batch(lambda x: returned), {"x": rows(1, 2)}, {"x": rows(3)})


def test_batch_needs_the_same_inputs_in_all_requests() -> None:
    with pytest.raises(ValueError, match="put @group_by_keys or @fill_optionals above"):
        ask(batch(doubled), {"x": rows(1)}, {"x": rows(1), "n": rows(1)})


def test_batch_copies_so_that_a_function_may_write() -> None:
    given = rows(1)
    given.flags.writeable = False

    @batch
    def in_place(x: Any) -> Any:
        x += 1
        return {"y": x}

    assert plain(ask(in_place, {"x": given})) == [{"y": [[2.0]]}]
    assert given.tolist() == [[1.0]]


def test_sample_is_called_for_each_request() -> None:
    calls = []

    @sample
    def one(x: Any) -> Any:
        calls.append(x.shape)
        return [x + 1]

    answers = ask(one, {"x": np.zeros(2, np.float32)}, {"x": np.ones(3, np.float32)}, model=UNBATCHED)
    assert plain(answers) == [{"y": [1.0, 1.0]}, {"y": [2.0, 2.0, 2.0]}]
    assert calls == [(2,), (3,)]


def test_sample_of_a_generator_takes_one_request() -> None:
    @sample
    def steps(x: Any) -> Any:
        yield {"y": x}

    assert [plain(one) for one in ask(steps, {"x": rows(1)}, model=UNBATCHED)] == [[{"y": [[1.0]]}]]
    with pytest.raises(ValueError, match="one request at a time"):
        ask(steps, {"x": rows(1)}, {"x": rows(1)})


def test_group_by_keys_calls_once_for_each_set_of_inputs() -> None:
    calls = []

    @group_by_keys
    @batch
    def either(x: Any, n: Any = None) -> Any:
        calls.append((len(x), n is not None))
        return {"y": x if n is None else x * n}

    requests = [{"x": rows(1)}, {"x": rows(2), "n": rows(10)}, {"x": rows(3)}]
    assert plain(ask(either, *requests)) == [{"y": [[1.0]]}, {"y": [[20.0]]}, {"y": [[3.0]]}]
    assert calls == [(2, False), (1, True)]


def test_group_by_values_calls_once_for_each_value_and_keeps_the_order() -> None:
    calls = []

    @batch
    @group_by_values("n", "text")
    def scaled(x: Any, n: Any, text: Any) -> Any:
        calls.append(len(x))
        return {"y": x * n[0] + len(text[0, 0])}

    text = np.array([[b"a"], [b"bb"], [b"a"], [b"a"]], np.object_)
    request = {"x": rows(1, 2, 3, 4), "n": np.array([[2], [2], [2], [3]]), "text": text}
    assert plain(ask(scaled, request)) == [{"y": [[3.0], [6.0], [7.0], [13.0]]}]
    assert calls == [2, 1, 1]


def test_group_by_values_pads_what_differs_in_shape() -> None:
    @batch
    @group_by_values("n", pad_fn=ConstantPadder(-1))
    async def repeated(x: Any, n: Any) -> Any:
        strings = np.full((len(x), int(n[0, 0])), b"s", np.object_)
        return {"y": np.repeat(x, n[0, 0], axis=1), "s": strings}

    answers = ask(repeated, {"x": rows(1, 2), "n": np.array([[2], [1]])})
    assert plain(answers) == [{"y": [[1.0, 1.0], [2.0, -1.0]], "s": [[b"s", b"s"], [b"s", b""]]}]


def test_group_by_values_is_refused_where_it_cannot_stand() -> None:
    with pytest.raises(InvalidConfiguration, match="below @batch"):
        group_by_values("n")(batch(doubled))
    with pytest.raises(InvalidConfiguration, match="needs the names"):
        group_by_values()

    def steps(x: Any) -> Any:
        yield x

    with pytest.raises(InvalidConfiguration, match="generator"):
        group_by_values("n")(steps)
    with pytest.raises(ValueError, match="no input 'n'"):
        ask(batch(group_by_values("n")(doubled)), {"x": rows(1)})


@pytest.mark.parametrize(("given", "seen"), [(1, 4), (3, 4), (4, 4), (5, 8), (8, 8), (9, 9)])
def test_pad_batch_fills_up_and_trims_again(given: int, seen: int) -> None:
    calls = []

    @batch
    @pad_batch
    def padded(x: Any) -> Any:
        calls.append(x[:, 0].tolist())
        return {"y": x * 2}

    values = [float(number) for number in range(given)]
    assert plain(ask(padded, {"x": rows(*values)})) == [{"y": [[value * 2] for value in values]}]
    assert calls == [values + [values[-1]] * (seen - given)]


def test_pad_batch_needs_a_batch_dimension() -> None:
    with pytest.raises(ValueError, match="no batch dimension"):
        ask(batch(pad_batch(doubled)), {"x": rows(1)}, model=UNBATCHED)


def test_first_value_gives_one_for_all_rows() -> None:
    seen = []

    @batch
    @first_value("n", "missing")
    def scaled(x: Any, n: Any) -> Any:
        seen.append(n)
        return {"y": x * n}

    assert plain(ask(scaled, {"x": rows(1, 2), "n": np.array([[3], [3]])})) == [{"y": [[3.0], [6.0]]}]
    assert np.isscalar(seen[0])
    with pytest.raises(InvalidRequest, match=r"'n' must have the same value in every row"):
        ask(scaled, {"x": rows(1, 2), "n": np.array([[3], [4]])})
    loose = batch(first_value("n", strict=False)(lambda x, n: {"y": x * n}))
    assert plain(ask(loose, {"x": rows(1, 2), "n": np.array([[3], [4]])})) == [{"y": [[3.0], [6.0]]}]
    whole = batch(first_value("n", squeeze_single_values=False)(lambda x, n: {"y": x * n.shape[0]}))
    assert plain(ask(whole, {"x": rows(1), "n": np.array([[3]])})) == [{"y": [[1.0]]}]


def test_first_value_of_requests_that_nobody_has_taken_apart() -> None:
    @first_value("n")
    def each(requests: Any) -> Any:
        return [{"y": request["x"] * request["n"]} for request in requests]

    request = {"x": rows(2), "n": np.array([[5]])}
    assert plain(ask(each, request)) == [{"y": [[10.0]]}]
    with pytest.raises(ValueError, match="no batch dimension"):
        ask(each, request, model=UNBATCHED)


def test_fill_optionals_fills_with_as_many_rows() -> None:
    filled = fill_optionals(n=np.array([7]))(batch(lambda x, n: {"y": x * n}))
    answers = ask(filled, {"x": rows(1, 2)}, {"x": rows(3), "n": np.array([[2]])})
    assert plain(answers) == [{"y": [[7.0], [14.0]]}, {"y": [[6.0]]}]
    alone = fill_optionals(n=np.array([7]))(sample(lambda x, n: {"y": x * n}))
    assert plain(ask(alone, {"x": np.ones(1, np.float32)}, model=UNBATCHED)) == [{"y": [7.0]}]


@pytest.mark.parametrize(
    ("defaults", "error"),
    [
        ({"k": np.array([1])}, "no input 'k'; it has x, n"),
        ({"n": np.array([1.0])}, "float64, but the input takes int64"),
        ({"n": np.array([[1]])}, r"shape \[1, 1\], but the input takes \[1\]"),
        ({"n": np.array([1, 2])}, r"shape \[2\]"),
    ],
)
def test_fill_optionals_says_what_does_not_suit(defaults: Any, error: str) -> None:
    with pytest.raises(InvalidConfiguration, match=error):
        ask(fill_optionals(**defaults)(batch(doubled)), {"x": rows(1)})


def test_fill_optionals_takes_arrays_only() -> None:
    with pytest.raises(InvalidConfiguration, match="must be a numpy array, not 5"):
        fill_optionals(n=5)  # type: ignore[arg-type]


def test_stages_are_told_from_the_outside_in() -> None:
    stacked = fill_optionals()(group_by_keys(batch(first_value("n")(pad_batch(doubled)))))
    assert stages(stacked) == ["fill_optionals", "group_by_keys", "batch", "first_value", "pad_batch"]
    assert stages(Doubling().bound) == ["batch"]
    assert stages(doubled) == []


def test_a_request_owns_its_arrays() -> None:
    given = rows(1)
    request = Request({"x": given}, {"temperature": 0.5}, ["y"])
    request["x"][0] = 5
    request["z"] = rows(2)
    del request["z"]
    assert (list(request), len(request), request.data["x"].tolist()) == (["x"], 1, [[5.0]])
    assert (request.parameters, request.requested_output_names) == ({"temperature": 0.5}, ["y"])
    assert repr(request) == "Request(x=float32[1, 1])"
