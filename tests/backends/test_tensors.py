"""ONNX models through the backend: datatypes, batching, splitting, odd shapes, errors that stay with their cause."""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from naiad.backends.onnxruntime import backend as backends
from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.backends.onnxruntime.tensors import OnnxRuntimeInstance
from naiad.core.contracts import Batch, LoadRequest, TensorFiles
from naiad.core.datatypes import BY_NAME, TABLE
from naiad.core.errors import InvalidRequest, LoadFailed, ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Array, Tensor, bytes_tensor
from naiad.modelconfig import finish, parse_pbtxt, prepare

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"


def answers(instance: OnnxRuntimeInstance, *requests: InferRequest) -> list[InferResponse]:
    results = instance.execute(Batch(requests))
    for result in results:
        assert not isinstance(result, NaiadError), result
    return list(results)


def output(response: InferResponse, name: str) -> Array:
    return next(tensor.data for tensor in response.outputs if tensor.name == name)


def load_shared(name: str) -> OnnxRuntimeInstance:
    path = REPOSITORY / name
    backend = OnnxRuntimeBackend()
    document = prepare(parse_pbtxt((path / "config.pbtxt").read_text()), name, ["model.onnx"])
    config = finish(backend.complete(document, path / "1", {}), model_dir=path)
    (instance,) = backend.load(LoadRequest(TensorFiles(config, "1", path, path / "1"), (f"{name}_0",))).narrow
    assert isinstance(instance, OnnxRuntimeInstance)
    return instance


# The real models of Triton's example repository.


@pytest.mark.parametrize(("name", "kind"), [("simple", np.int32), ("simple_int8", np.int8)])
@pytest.mark.parametrize("rows", [[1], [1, 1, 1], [2, 1, 4]])
def test_simple_adds_and_subtracts(name: str, kind: type, rows: list[int], request_of: Any) -> None:
    instance = load_shared(name)
    random = np.random.default_rng(0)
    pairs = [random.integers(-50, 50, (2, count, 16)).astype(kind) for count in rows]
    given = [request_of(INPUT0=first, INPUT1=second) for first, second in pairs]
    for index, request in enumerate(given):
        request.id = f"r{index}"
    responses = answers(instance, *given)
    for index, (response, (first, second)) in enumerate(zip(responses, pairs, strict=True)):
        assert (response.model_name, response.model_version, response.id) == (name, "1", f"r{index}")
        assert [tensor.name for tensor in response.outputs] == ["OUTPUT0", "OUTPUT1"]
        np.testing.assert_array_equal(output(response, "OUTPUT0"), first + second)
        np.testing.assert_array_equal(output(response, "OUTPUT1"), first - second)
        assert response.outputs[0].data.dtype == kind


def test_simple_string_counts_in_words(request_of: Any) -> None:
    instance = load_shared("simple_string")
    numbers = [str(value).encode() for value in range(16)]
    ones = [b"1"] * 16
    (response,) = answers(instance, request_of(INPUT0=numbers, INPUT1=ones))
    assert output(response, "OUTPUT0").tolist() == [[str(value + 1).encode() for value in range(16)]]
    assert output(response, "OUTPUT1").tolist() == [[str(value - 1).encode() for value in range(16)]]
    assert response.outputs[0].datatype == "BYTES"


def test_one_request_s_bad_number_stays_its_own(request_of: Any) -> None:
    """The graph fails on the whole batch; the others are run again and answered."""
    instance = load_shared("simple_string")
    good, bad = [b"3"] * 16, [b"three"] + [b"3"] * 15
    first, second, third = instance.execute(
        Batch(
            [
                request_of(INPUT0=good, INPUT1=good),
                request_of(INPUT0=bad, INPUT1=good),
                request_of(INPUT0=good, INPUT1=good),
            ]
        )
    )
    assert isinstance(second, ModelFailed)
    assert second.message.startswith("model 'simple_string' failed: ")
    for response in (first, third):
        assert isinstance(response, InferResponse)
        assert output(response, "OUTPUT0").tolist() == [[b"6"] * 16]


# Datatypes.


def samples(datatype: str) -> Array:
    """(2, 3) values, extremes among them."""
    if datatype == "BYTES":
        return bytes_tensor("x", [b"", b"a\0b", "é☃".encode(), b"\n", b"'\\x00'", b"z" * 300], (2, 3)).data
    row = BY_NAME[datatype]
    if datatype == "BOOL":
        return np.array([[True, False, True], [False, False, True]])
    if datatype == "BF16":
        return np.array([[0, 1, 0x3F80], [0x7F80, 0xFFC0, 0xFFFF]], dtype=np.uint16)
    if row.numpy.kind == "f":
        return np.array([[0, -0.0, 1.5], [np.inf, np.nan, np.finfo(row.numpy).max]], dtype=row.numpy)
    limits = np.iinfo(row.numpy)
    return np.array([[0, 1, 2], [limits.min, limits.max, 7]], dtype=row.numpy)


@pytest.mark.parametrize("datatype", [row.name for row in TABLE])
@pytest.mark.parametrize("max_batch_size", [0, 8])
@pytest.mark.parametrize("count", [1, 3])
def test_every_datatype_comes_back_as_it_went_in(folder: Any, datatype: str, max_batch_size: int, count: int) -> None:
    shape = ["n", 3] if max_batch_size else [2, 3]
    folder.write([("Identity", "x", "y")], {"x": (datatype, shape)}, {"y": (datatype, shape)})
    dims = [3] if max_batch_size else [2, 3]
    kind = BY_NAME[datatype].config_name
    instance = folder.load(
        max_batch_size=max_batch_size,
        input=[{"name": "x", "data_type": kind, "dims": dims}],
        output=[{"name": "y", "data_type": kind, "dims": dims}],
    )
    data = samples(datatype)
    responses = answers(instance, *[InferRequest("m", inputs={"x": Tensor("x", datatype, data)}) for _ in range(count)])
    assert len(responses) == count
    for response in responses:
        (tensor,) = response.outputs
        assert (tensor.name, tensor.datatype, tensor.shape) == ("y", datatype, (2, 3))
        np.testing.assert_array_equal(tensor.data, data)
        assert tensor.data.dtype == data.dtype


def test_brain_floats_are_computed_with(folder: Any) -> None:
    folder.write([("Cast", "x", "y")], {"x": ("BF16", ["n", 2])}, {"y": ("FP32", ["n", 2])}, to=TensorProto.FLOAT)
    request = InferRequest("m", inputs={"x": Tensor("x", "BF16", np.array([[0x3F80, 0xC020]], np.uint16))})
    for response in answers(folder.load(), request, request):
        assert response.outputs[0].data.tolist() == [[1.0, -2.5]]


def test_an_empty_brain_float_tensor(folder: Any) -> None:
    folder.write([("Identity", "x", "y")], {"x": ("BF16", ["n"])}, {"y": ("BF16", ["n"])})
    instance = folder.load(max_batch_size=0, **described("BF16", [-1]))
    (response,) = answers(instance, InferRequest("m", inputs={"x": Tensor("x", "BF16", np.empty(0, np.uint16))}))
    assert response.outputs[0].shape == (0,)


def test_other_outputs_beside_brain_floats(folder: Any) -> None:
    folder.write(
        [("Identity", "x", "y"), ("Neg", "f", "g")],
        {"x": ("BF16", ["n", 1]), "f": ("FP32", ["n", 1])},
        {"y": ("BF16", ["n", 1]), "g": ("FP32", ["n", 1])},
    )
    inputs = {"x": Tensor("x", "BF16", np.array([[7]], np.uint16)), "f": Tensor.of("f", np.ones((1, 1), np.float32))}
    request = InferRequest("m", inputs=inputs)
    for response in answers(folder.load(), request, request):
        assert [tensor.data.tolist() for tensor in response.outputs] == [[[7]], [[-1.0]]]


def test_strings_beside_brain_float_outputs_are_refused_at_load(folder: Any) -> None:
    """ONNX Runtime's Python binding cannot feed strings the way in which it gives BF16 back."""
    folder.write(
        [("Identity", "s", "t"), ("Identity", "x", "y")],
        {"s": ("BYTES", ["n"]), "x": ("BF16", ["n"])},
        {"t": ("BYTES", ["n"]), "y": ("BF16", ["n"])},
    )
    with pytest.raises(LoadFailed, match=r"string inputs .* BF16 outputs"):
        folder.load()


def test_bytes_that_are_not_text_are_the_caller_s_mistake(folder: Any, request_of: Any) -> None:
    folder.write([("Identity", "x", "y")], {"x": ("BYTES", ["n", "k"])}, {"y": ("BYTES", ["n", "k"])})
    good, bad = folder.load().execute(Batch([request_of(x=[b"a", b"b"]), request_of(x=[b"a", b"\xff"])]))
    assert isinstance(good, InferResponse)
    assert good.outputs[0].data.tolist() == [[b"a", b"b"]]
    assert isinstance(bad, InvalidRequest)
    assert bad.message.startswith("input 'x': element 1 is not UTF-8")


def test_data_at_odd_addresses_and_with_strides(folder: Any, request_of: Any) -> None:
    """A tensor behind a JSON header begins at any byte of the body."""
    folder.write([("Add", "x x", "y")], {"x": ("FP32", ["n", 1000])}, {"y": ("FP32", ["n", 1000])})
    instance = folder.load()
    values = np.arange(1000, dtype=np.float32)[None]
    odd = np.frombuffer(b"?" + values.tobytes(), np.float32, 1000, offset=1)[None]
    strided = np.repeat(values, 2, axis=1)[:, ::2]
    assert not odd.flags.aligned
    for requests in ([odd], [strided], [odd, strided, values]):
        for response in answers(instance, *[request_of(x=data) for data in requests]):
            np.testing.assert_array_equal(response.outputs[0].data, 2 * values)


# Which outputs, which rows.


def described(datatype: str, dims: list[int], **more: Any) -> dict[str, Any]:
    kind = BY_NAME[datatype].config_name
    return {
        "input": [{"name": "x", "data_type": kind, "dims": dims, **more}],
        "output": [{"name": "y", "data_type": kind, "dims": dims}],
    }


def three_outputs(folder: Any) -> OnnxRuntimeInstance:
    nodes = [("Abs", "x", "a"), ("Neg", "x", "b"), ("Identity", "x", "c")]
    folder.write(nodes, {"x": ("FP32", ["n", 1])}, {name: ("FP32", ["n", 1]) for name in "abc"})
    return folder.load()


@pytest.mark.parametrize("wanted", [["b"], ["c", "a"], ["b", "c", "a"]])
def test_a_batch_that_asks_for_the_same_is_split_in_their_order(
    folder: Any, wanted: list[str], request_of: Any
) -> None:
    """Requests filled from one form share the tuple; whether they do makes no difference."""
    instance = three_outputs(folder)
    apart = [request_of(*wanted, x=np.array([[float(index)]], np.float32)) for index in range(3)]
    alike = [replace(request, outputs=apart[0].outputs) for request in apart]

    def seen(requests: list[InferRequest]) -> list[list[tuple[str, list[Any]]]]:
        return [[(t.name, t.data.tolist()) for t in response.outputs] for response in answers(instance, *requests)]

    assert seen(alike) == seen(apart)
    assert [name for name, _ in seen(alike)[2]] == wanted


@pytest.mark.parametrize(
    "wanted", [[["b"]], [["c", "a"]], [[]], [["b"], ["a"]], [["c", "a"], [], ["b"]], [["a"], ["a"]]]
)
def test_requests_get_the_outputs_they_ask_for_in_their_order(
    folder: Any, wanted: list[list[str]], request_of: Any
) -> None:
    instance = three_outputs(folder)
    given = [request_of(*names, x=np.array([[-1.0 - index]], np.float32)) for index, names in enumerate(wanted)]
    for index, (response, names) in enumerate(zip(answers(instance, *given), wanted, strict=True)):
        assert [tensor.name for tensor in response.outputs] == (names or ["a", "b", "c"])
        expected = {"a": 1.0 + index, "b": 1.0 + index, "c": -1.0 - index}
        assert {tensor.name: tensor.data.tolist() for tensor in response.outputs} == {
            tensor.name: [[expected[tensor.name]]] for tensor in response.outputs
        }


def test_an_output_without_the_batch_is_an_error_not_a_wrong_answer(folder: Any, request_of: Any) -> None:
    folder.write([("Concat", "x x", "y")], {"x": ("FP32", ["n", 2])}, {"y": ("FP32", ["k", 2])}, axis=0)
    instance = folder.load()
    data = np.ones((2, 2), np.float32)
    for result in instance.execute(Batch([request_of(x=data), request_of(x=data)])):
        assert isinstance(result, ModelFailed)
        assert "output 'y' has 4 rows for a batch of 2" in result.message


def test_requests_whose_shapes_differ_are_run_apart(folder: Any, request_of: Any) -> None:
    folder.write([("Identity", "x", "y")], {"x": ("FP32", ["n", "k"])}, {"y": ("FP32", ["n", "k"])})
    shapes = [(1, 2), (1, 3)]
    responses = answers(folder.load(), *[request_of(x=np.ones(shape, np.float32)) for shape in shapes])
    assert [response.outputs[0].shape for response in responses] == shapes


def test_requests_of_no_rows(folder: Any, request_of: Any) -> None:
    folder.write([("Identity", "x", "y")], {"x": ("FP32", ["n", 2])}, {"y": ("FP32", ["n", 2])})
    shapes = [(0, 2), (2, 2), (0, 2)]
    responses = answers(folder.load(), *[request_of(x=np.ones(shape, np.float32)) for shape in shapes])
    assert [response.outputs[0].shape for response in responses] == shapes


def test_a_missing_input_is_the_caller_s_mistake(folder: Any, request_of: Any) -> None:
    instance = three_outputs(folder)
    good, bad = instance.execute(Batch([request_of(x=np.ones((1, 1), np.float32)), request_of()]))
    assert isinstance(good, InferResponse)
    assert isinstance(bad, InvalidRequest)
    assert "input 'x' is missing" in bad.message


# Reshape, ragged, optional.


def test_reshape_both_ways(folder: Any, request_of: Any) -> None:
    folder.write([("Neg", "x", "y")], {"x": ("FP32", ["n", 2, 3])}, {"y": ("FP32", ["n", 2, 3])})
    instance = folder.load(
        max_batch_size=4,
        input=[{"name": "x", "data_type": "TYPE_FP32", "dims": [6], "reshape": {"shape": [2, 3]}}],
        output=[{"name": "y", "data_type": "TYPE_FP32", "dims": [3, 2], "reshape": {"shape": [2, 3]}}],
    )
    data = np.arange(6, dtype=np.float32)[None]
    for response in answers(instance, request_of(x=data), request_of(x=data)):
        np.testing.assert_array_equal(response.outputs[0].data, -data.reshape(1, 3, 2))


def test_reshape_keeps_wildcards_in_order(folder: Any, request_of: Any) -> None:
    shape = ["n", "a", 1, "b", 2]
    folder.write([("Identity", "x", "y")], {"x": ("FP32", shape)}, {"y": ("FP32", shape)})
    sides = {"data_type": "TYPE_FP32", "dims": [-1, -1, 2], "reshape": {"shape": [-1, 1, -1, 2]}}
    instance = folder.load(max_batch_size=4, input=[{"name": "x", **sides}], output=[{"name": "y", **sides}])
    data = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    for response in answers(instance, request_of(x=data), request_of(x=data)):
        np.testing.assert_array_equal(response.outputs[0].data, data)


def test_an_output_that_does_not_fit_its_reshape(folder: Any, request_of: Any) -> None:
    folder.write([("Concat", "x x", "y")], {"x": ("FP32", ["n", "k"])}, {"y": ("FP32", ["n", "j"])}, axis=1)
    instance = folder.load(
        max_batch_size=4,
        input=[{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}],
        output=[{"name": "y", "data_type": "TYPE_FP32", "dims": [2, 3], "reshape": {"shape": [6]}}],
    )
    (good,) = answers(instance, request_of(x=np.ones((1, 3), np.float32)))
    assert good.outputs[0].shape == (1, 2, 3)
    (bad,) = instance.execute(Batch([request_of(x=np.ones((1, 2), np.float32))]))
    assert isinstance(bad, ModelFailed)
    assert "a tensor of shape [1, 4] cannot be reshaped to [2, 3]" in bad.message


@pytest.mark.parametrize("max_batch_size", [0, 4])
def test_reshape_to_nothing(folder: Any, request_of: Any, max_batch_size: int) -> None:
    shape = ["n"] if max_batch_size else []
    folder.write([("Neg", "x", "y")], {"x": ("FP32", shape)}, {"y": ("FP32", shape)})
    sides = {"data_type": "TYPE_FP32", "dims": [1], "reshape": {"shape": []}}
    instance = folder.load(
        max_batch_size=max_batch_size, input=[{"name": "x", **sides}], output=[{"name": "y", **sides}]
    )
    data = np.full((1, 1) if max_batch_size else (1,), 2, np.float32)
    for response in answers(instance, request_of(x=data), request_of(x=data)):
        np.testing.assert_array_equal(response.outputs[0].data, -data)


def test_scalars_complete_themselves(folder: Any, request_of: Any) -> None:
    folder.write([("Neg", "x", "y")], {"x": ("FP32", [])}, {"y": ("FP32", [])})
    config = folder.config()
    assert (config.inputs[0].dims, config.inputs[0].reshape, config.max_batch_size) == ((1,), (), 0)
    (response,) = answers(folder.load(), request_of(x=np.array([2.0], np.float32)))
    assert response.outputs[0].data.tolist() == [-2.0]


@pytest.mark.parametrize("dims", [[1], [1, 1]])
@pytest.mark.parametrize("kind", ["FP32", "BYTES"])
def test_a_scalar_fits_dims_of_one_element(folder: Any, request_of: Any, dims: list[int], kind: str) -> None:
    """Configurations have no way to say that there are no dims, but for a reshape that few know."""
    folder.write([("Identity", "x", "y")], {"x": (kind, [])}, {"y": (kind, [])})
    side = {"data_type": "TYPE_FP32" if kind == "FP32" else "TYPE_STRING", "dims": dims}
    instance = folder.load(max_batch_size=0, input=[{"name": "x", **side}], output=[{"name": "y", **side}])
    data = np.full(dims, 2, np.float32) if kind == "FP32" else np.full(dims, b"two", np.object_)
    request = InferRequest("m", inputs={"x": Tensor("x", kind, data)})
    for response in answers(instance, request, request):
        assert response.outputs[0].data.tolist() == data.tolist()


def test_an_output_of_unknown_shape_may_have_any(folder: Any, request_of: Any) -> None:
    """To ONNX Runtime it looks like a scalar."""
    folder.write([("Identity", "x", "y")], {"x": ("FP32", ["n"])}, {"y": ("FP32", None)})
    sides = {"data_type": "TYPE_FP32", "dims": [-1]}
    instance = folder.load(
        max_batch_size=0, input=[{"name": "x", **sides}], output=[{"name": "y", **sides, "dims": [1]}]
    )
    (response,) = answers(instance, request_of(x=np.ones(3, np.float32)))
    assert response.outputs[0].data.tolist() == [1, 1, 1]


def test_ragged_inputs_are_laid_end_to_end(folder: Any, request_of: Any) -> None:
    folder.write(
        [("ReduceSum", "x", "s"), ("Expand", "s shape", "all"), ("Add", "r all", "y")],
        {"x": ("FP32", ["k"]), "r": ("FP32", ["n", 1])},
        {"y": ("FP32", ["n", 1])},
        [numpy_helper.from_array(np.array([1, 1]), "shape")],
    )
    instance = folder.load(
        max_batch_size=4,
        input=[
            {"name": "x", "data_type": "TYPE_FP32", "dims": [-1], "allow_ragged_batch": True},
            {"name": "r", "data_type": "TYPE_FP32", "dims": [1]},
        ],
        output=[{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
    )
    given = [
        request_of(x=np.ones((1, size), np.float32), r=np.full((1, 1), 10 * size, np.float32)) for size in (2, 5, 1)
    ]
    found = [float(response.outputs[0].data[0, 0]) for response in answers(instance, *given)]
    assert found == [28.0, 58.0, 18.0]  # 8 elements in all, plus each request's own row


def test_optional_inputs_fall_back_to_the_graph(folder: Any, request_of: Any) -> None:
    default = numpy_helper.from_array(np.full((1,), 5, np.float32), "b")
    folder.write([("Add", "x b", "y")], {"x": ("FP32", ["n"]), "b": ("FP32", [1])}, {"y": ("FP32", ["n"])}, [default])
    instance = folder.load(
        max_batch_size=0,
        input=[
            {"name": "x", "data_type": "TYPE_FP32", "dims": [-1]},
            {"name": "b", "data_type": "TYPE_FP32", "dims": [1], "optional": True},
        ],
        output=[{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
    )
    one = np.ones(2, np.float32)
    without, given = answers(instance, request_of(x=one), request_of(x=one, b=np.full(1, 7, np.float32)))
    assert without.outputs[0].data.tolist() == [6.0, 6.0]
    assert given.outputs[0].data.tolist() == [8.0, 8.0]


# Loading.


def test_instances_share_one_session(folder: Any, request_of: Any) -> None:
    three_outputs(folder)
    instances = folder.load_all("m_0", "m_1")
    first, second = instances.narrow
    assert first._model is second._model
    assert instances.wide is None
    assert instances.names == ("m_0", "m_1")
    first.close()
    assert answers(second, request_of("b", x=np.ones((1, 1), np.float32)))[0].outputs[0].data.tolist() == [[-1.0]]
    (closed,) = first.execute(Batch([request_of("b", x=np.ones((1, 1), np.float32))]))
    assert isinstance(closed, ModelFailed)


def test_the_session_goes_with_its_last_instance(folder: Any) -> None:
    three_outputs(folder)
    instances = folder.load_all("m_0", "m_1")
    session = weakref.ref(instances.narrow[0]._model.session)
    instances.narrow[0].close()
    assert session() is not None
    instances.narrow[1].close()
    assert session() is None


def heavy(folder: Any) -> Any:
    """A model whose weights take more than LIGHT_BYTES."""
    weight = numpy_helper.from_array(np.zeros((128, 129), np.float32), "w")
    folder.write([("MatMul", "x w", "y")], {"x": ("FP32", ["n", 128])}, {"y": ("FP32", ["n", 129])}, [weight])
    return folder.config()


@pytest.mark.parametrize(
    ("changes", "settings", "cores", "threads"),
    [
        ({}, {}, 2, 2),
        ({}, {}, 1, None),
        ({"wide_threads": 3}, {}, 2, 3),
        ({"wide_threads": 1}, {}, 2, None),
        ({}, {"intra_op_thread_count": "2"}, 4, None),
    ],
)
def test_when_there_is_a_wide_instance(
    changes: dict[str, int],
    settings: dict[str, str],
    cores: int,
    threads: int | None,
    folder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One core has no use for it, and who says how many threads or copies there shall be means it."""
    monkeypatch.setattr(backends, "available_cores", lambda: cores)
    wide = folder.backend.load(folder.request(heavy(folder), "m_0", settings=settings, **changes)).wide
    assert threads == (None if wide is None else wide._model.session.get_session_options().intra_op_num_threads)


def test_a_light_model_is_opened_once(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "available_cores", lambda: 8)
    three_outputs(folder)
    assert folder.load_all("m_0").wide is None


def test_instances_may_run_at_the_same_time(folder: Any, request_of: Any) -> None:
    three_outputs(folder)
    instances = [folder.load() for _ in range(4)]
    wrong: list[int] = []

    def work(index: int) -> None:
        for turn in range(200):
            value = float(index * 1000 + turn)
            (response,) = answers(instances[index], request_of("b", x=np.array([[value]], np.float32)))
            if response.outputs[0].data.tolist() != [[-value]]:
                wrong.append(turn)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_stamps_are_left_for_the_statistics(folder: Any, request_of: Any) -> None:
    batch = Batch([request_of(x=np.ones((1, 1), np.float32))] * 2)
    three_outputs(folder).execute(batch)
    assert 0 < batch.input_ready_s <= batch.output_ready_s


def test_a_model_may_be_a_folder_with_external_data(folder: Any, request_of: Any) -> None:
    weight = numpy_helper.from_array(np.arange(1000, dtype=np.float32), "w")
    path = folder.write([("Add", "x w", "y")], {"x": ("FP32", ["n", 1000])}, {"y": ("FP32", ["n", 1000])}, [weight])
    model = onnx.load(path)
    path.unlink()
    path.mkdir()
    onnx.save(model, path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (path / "weights.bin").stat().st_size == 4000
    (response,) = answers(folder.load(), request_of(x=np.ones((1, 1000), np.float32)))
    assert response.outputs[0].data[0, -1] == 1000.0


@pytest.mark.parametrize("place", ["../../secret.bin", "{root}/secret.bin", "link.bin", "*/_ORT_MEM_ADDR_/*"])
def test_a_model_reads_nothing_outside_its_folder(folder: Any, place: str) -> None:
    """ONNX Runtime's own check, on which uploads and models of strangers rely."""
    weight = numpy_helper.from_array(np.arange(1000, dtype=np.float32), "w")
    path = folder.write([("Add", "x w", "y")], {"x": ("FP32", ["n", 1000])}, {"y": ("FP32", ["n", 1000])}, [weight])
    secret = folder.path.parent / "secret.bin"
    secret.write_bytes(bytes(4000))
    (folder.version / "link.bin").symlink_to(secret)
    model = onnx.load(path)
    moved = model.graph.initializer[0]
    moved.ClearField("raw_data")
    moved.data_location = TensorProto.EXTERNAL
    entries = {"location": place.format(root=secret.parent), "offset": "0", "length": "4000"}
    moved.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in entries.items())
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoadFailed, match="ONNX Runtime cannot load this file"):
        folder.load()


def test_another_file_name(folder: Any) -> None:
    three_outputs(folder)
    shutil.move(folder.version / "model.onnx", folder.version / "net.bin")
    assert folder.load(platform="onnxruntime_onnx", default_model_filename="net.bin")
    with pytest.raises(LoadFailed, match=r"model.onnx: no such file"):
        folder.load()


@pytest.mark.parametrize("name", ["../1/model.onnx", "/etc/model.onnx"])
def test_a_file_outside_is_refused(folder: Any, name: str) -> None:
    three_outputs(folder)
    with pytest.raises(LoadFailed, match="must be a path inside"):
        folder.load(platform="onnxruntime_onnx", default_model_filename=name)


def test_a_broken_file_is_named(folder: Any) -> None:
    (folder.version / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(LoadFailed, match=r"model.onnx: ONNX Runtime cannot load this file"):
        folder.load()


def test_requested_output_of_the_shared_models_is_a_subset(request_of: Any) -> None:
    instance = load_shared("simple")
    one = np.ones((1, 16), np.int32)
    request = request_of(INPUT0=one, INPUT1=one)
    request.outputs = (RequestedOutput("OUTPUT1"),)
    (response,) = answers(instance, request)
    assert [tensor.name for tensor in response.outputs] == ["OUTPUT1"]
    assert not response.outputs[0].data.any()


def test_a_telemetry_store_is_not_left_behind(tmp_path: Path) -> None:
    """The runtime makes one at import unless it is told not to before."""
    import subprocess
    import sys

    code = "from naiad.backends.onnxruntime.session import runtime; runtime()"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
