"""The clients that wait: `ModelClient`, and `DecoupledModelClient` for any number of answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from naiad.compat.pytriton.client.base import LOOK_AGAIN_S, Asked, BaseModelClient
from naiad.compat.pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientInferenceServerError,
    PyTritonClientValueError,
    inferring,
)
from naiad.compat.pytriton.client.links import SyncLink
from naiad.compat.pytriton.client.values import read_config
from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.core.errors import NaiadError
from naiad.core.tensor import Array


class ModelClient(BaseModelClient):
    """Asks one model; any thread may. Inputs are given by position or by name, as numpy arrays."""

    def __init__(self, url: str, model_name: str, model_version: str | None = None, **options: Any) -> None:
        """See `BaseModelClient`. Raises PyTritonClientTimeoutError where it waits now (lazy_init=False)."""
        super().__init__(url, model_name, model_version, **options)
        self._link: SyncLink | None = SyncLink(self._url, self._token, self._inference_timeout_s)
        if not self._lazy_init:
            try:
                self._find()
            except BaseException:
                self.close()
                raise

    @property
    def model_config(self) -> TritonModelConfig:
        """What the model takes and gives; waits until it is ready."""
        return self._find()

    @property
    def is_batching_supported(self) -> bool:
        """Whether the model has a batch dimension; waits until it is ready."""
        return self._find().batching

    def wait_for_server(self, timeout_s: float) -> None:
        """Return when the server takes requests. Raises PyTritonClientTimeoutError."""
        self._wait(self._questions.is_ready(), timeout_s, "the server")

    def wait_for_model(self, timeout_s: float) -> None:
        """Return when the model takes requests. Raises PyTritonClientTimeoutError."""
        self._wait(self._questions.is_model_ready(self._name, self._version), timeout_s, self._called)

    def load_model(self, config: str | None = None, files: Mapping[str, bytes] | None = None) -> None:
        """Load the model, where the server allows it; files by "file:" and their paths."""
        with inferring(self._init_timeout_s):
            self._open.send(self._questions.load(self._name, config, files or {}), self._init_timeout_s)

    def unload_model(self) -> None:
        """Unload the model, where the server allows it."""
        with inferring(self._init_timeout_s):
            self._open.send(self._questions.unload(self._name), self._init_timeout_s)

    def close(self) -> None:
        """Close the connections."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _infer(self, asked: Asked) -> Any:
        config = self._find()
        inference = self._inference(config, asked)
        with inferring(self._inference_timeout_s):
            call = self._questions.infer(self._name, self._version, inference)
            tensors = self._open.send(call, self._inference_timeout_s, asked.headers)
        return asked.values(tensors, config)

    def _find(self) -> TritonModelConfig:
        """Wait for the model, once, and ask what it is."""
        config = self._config
        if config is None or not self._is_found:
            self.wait_for_model(self._init_timeout_s)
            with inferring(self._init_timeout_s):
                document = self._open.send(self._questions.config(self._name, self._version), self._init_timeout_s)
            config = self._config = read_config(document)
            self._is_found = True
        return config

    def _wait(self, question: Any, timeout_s: float, what: str) -> None:
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = max(0.01, until_s - time.monotonic())
            try:
                if self._open.send(question, left_s):
                    return
            except NaiadError:  # there is no server yet, or no such model
                pass
            if time.monotonic() >= until_s:
                raise self._late(what)
            time.sleep(min(LOOK_AGAIN_S, left_s))

    @property
    def _open(self) -> SyncLink:
        if self._link is None:
            raise PyTritonClientClosedError(f"{type(self).__name__} is closed")
        return self._link


class DecoupledModelClient(ModelClient):
    """Asks a model that gives any number of answers; `infer_sample` and `infer_batch` iterate over them. gRPC only."""

    decoupled = True

    def __init__(self, url: str, model_name: str, model_version: str | None = None, **options: Any) -> None:
        super().__init__(url, model_name, model_version, **options)
        if self._url.scheme == "http":
            self.close()
            raise PyTritonClientValueError("DecoupledModelClient is only supported for grpc protocol")
        self._is_busy = False

    def _infer(self, asked: Asked) -> Iterator[dict[str, Array]]:
        config = self._find()
        inference = self._inference(config, asked)
        if self._is_busy:
            raise PyTritonClientInferenceServerError("Inference is already in progress")
        self._is_busy = True
        channel = self._open.channel
        assert channel is not None
        call = self._questions.infer(self._name, self._version, inference)

        def answers() -> Iterator[dict[str, Array]]:
            stream = channel.stream(call, self._inference_timeout_s, asked.headers)
            try:
                with inferring(self._inference_timeout_s):
                    for tensors in stream:
                        yield asked.values(tensors, config)
            finally:
                stream.close()
                self._is_busy = False

        return answers()
