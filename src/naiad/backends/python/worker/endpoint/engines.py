"""What runs between the hooks: the model that the server has, one that this process has loaded, or the class itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..api.errors import TritonError, TritonModelException
from ..api.request import InferenceRequest
from ..api.tensor import Tensor
from ..datatypes import BY_NAME, name_of
from ..link import current
from ..model import BadModel, HookFailed
from . import sending

STATUS = {
    TritonError.UNKNOWN: "UNKNOWN",
    TritonError.INTERNAL: "INTERNAL",
    TritonError.NOT_FOUND: "NOT_FOUND",
    TritonError.INVALID_ARG: "INVALID_ARGUMENT",
    TritonError.UNAVAILABLE: "UNAVAILABLE",
    TritonError.UNSUPPORTED: "UNIMPLEMENTED",
    TritonError.ALREADY_EXISTS: "ALREADY_EXISTS",
    TritonError.CANCELLED: "CANCELLED",
}
"""The names that gRPC has for the codes of errors."""

_MAY_BE_NEW = (TritonError.INVALID_ARG, TritonError.NOT_FOUND)
"""What a model answers to a request that was made for another one of its name."""


class ModelRefused(Exception):
    """The model of the server has answered with an error; the message is ClearML's, the model's words behind it."""

    def __init__(self, code: int, message: str) -> None:
        status = STATUS.get(code, "INTERNAL")
        super().__init__(f"Error [AioRpcError] processing request: status=StatusCode.{status}: {message}")


class Attached:
    """Engine `triton`: a model that the server serves."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self._model, self._version = declared["model"], declared["model_version"]
        self._inputs, self._types = declared["input_name"], declared["input_type"]
        self._outputs = declared["output_name"]
        self._known: dict[str, Any] | None = None

    async def process(self, data: Any, *_: Any) -> Any:
        """Run the model. Raises ModelRefused, and ValueError for data that does not suit its inputs."""
        known = self._known or self._describe()
        request = self._request(data, known)
        while True:
            response = await request.async_exec()
            error = response.error()
            if error is None:
                break
            if error.code() not in _MAY_BE_NEW or self._describe() == known:
                raise ModelRefused(error.code(), error.message())
            assert self._known is not None
            known = self._known
            request = self._request(data, known)
        by_name = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        wanted = self._outputs or [name for name in known["outputs"] if name in by_name] or list(by_name)
        arrays = [by_name[name] for name in wanted]
        return arrays[0] if len(arrays) == 1 else arrays

    def _describe(self) -> dict[str, Any]:
        try:
            self._known = current().ask("describe", name=self._model, version=self._version)
        except TritonModelException as error:
            raise ModelRefused(TritonError.UNAVAILABLE, str(error)) from error
        assert self._known is not None
        return self._known

    def _request(self, data: Any, known: dict[str, Any]) -> InferenceRequest:
        declared = {row[0]: row for row in known["inputs"]}
        needed = [name for name, row in declared.items() if not row[2]]
        names = self._inputs or needed or list(declared)
        if len(names) == 1:
            data = [data]
        elif not isinstance(data, (list, tuple)) or len(data) != len(names):
            got = f"a list of {len(data)}" if isinstance(data, (list, tuple)) else f"a {type(data).__name__}"
            raise ValueError(
                f"preprocess must return a list of {len(names)} arrays, in the order {', '.join(names)}; it returned "
                f"{got}"
            )
        tensors = []
        for index, (name, one) in enumerate(zip(names, data)):
            given = self._types[index] if index < len(self._types) else None
            datatype = declared[name][1] if name in declared else "FP32"
            tensors.append(_tensor(name, name_of(np.dtype(given)) or datatype if given else datatype, one))
        version = int(self._version) if self._version else -1
        return InferenceRequest(
            inputs=tensors,
            requested_output_names=self._outputs,
            model_name=self._model,
            model_version=version,
            trace=sending.trace.get(),
        )


def _tensor(name: str, datatype: str, data: Any) -> Tensor:
    if datatype == "BF16":
        raise ValueError(f"input '{name}' is BF16, which numpy does not have; let the model take FP32")
    if datatype == "BYTES":
        array = np.atleast_1d(np.array(data, dtype=object))
    else:
        array = np.array(data, dtype=BY_NAME[datatype].numpy)
    return Tensor._of(name, datatype, array)


def _sklearn(path: str) -> Any:
    return importlib.import_module("joblib").load(path)


def _xgboost(path: str) -> Any:
    model = importlib.import_module("xgboost").Booster()
    model.load_model(path)
    return model


def _lightgbm(path: str) -> Any:
    return importlib.import_module("lightgbm").Booster(model_file=path)


LOADERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "sklearn": (_sklearn, "joblib"),
    "xgboost": (_xgboost, "xgboost"),
    "lightgbm": (_lightgbm, "lightgbm"),
}
"""By engine: how a model's file is loaded, and by which package."""


def predictor(engine: str, loaded: Any, path: str | None) -> Callable[..., Any]:
    """Return what runs a model in this process. loaded: what `load` returned. Raises BadModel, HookFailed."""
    load, package = LOADERS[engine]
    if loaded is None:
        if not path:
            raise BadModel(f"engine '{engine}' needs model_file, or a Preprocess.load that returns a model")
        try:
            loaded = load(path)
        except ModuleNotFoundError as error:
            raise BadModel(
                f"engine '{engine}' needs the package {error.name or package}, which this Python lacks; name a "
                "requirements.txt, or a folder of a virtual environment, in the endpoint's environment"
            ) from error
        except BaseException as error:
            raise HookFailed(f"loading the {engine} model") from error
    if not callable(getattr(loaded, "predict", None)):
        raise BadModel(f"engine '{engine}': the loaded {type(loaded).__name__} has no method predict")
    model = loaded

    def process(data: Any, *_: Any) -> Any:
        return model.predict(data)

    return process
