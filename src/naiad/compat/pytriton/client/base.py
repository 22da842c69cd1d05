"""What all clients of one model have in common, whether they wait or await."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

from naiad.compat.pytriton.client.exceptions import (
    PyTritonClientInferenceServerError,
    PyTritonClientModelDoesntSupportBatchingError,
    PyTritonClientTimeoutError,
)
from naiad.compat.pytriton.client.links import Inference, TritonUrl, questions
from naiad.compat.pytriton.client.values import Parameters, check, to_arrays, to_tensors
from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.core.tensor import Array, Tensor

INIT_TIMEOUT_S = 300.0
INFERENCE_TIMEOUT_S = 60.0

LOOK_AGAIN_S = 0.1
"""Between two looks at whether a model is ready."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of one inference."""

    inputs: tuple[Any, ...]
    named: Mapping[str, Any]
    parameters: Parameters | None
    headers: Mapping[str, Any] | None
    is_sample: bool

    def values(self, tensors: Iterable[Tensor], config: TritonModelConfig) -> dict[str, Array]:
        """Make the values of an answer."""
        return to_arrays(tensors, first_row=self.is_sample and config.batching)


class BaseModelClient:
    """One model of one server, and how long to wait for it."""

    decoupled = False
    """Whether it is for models that give any number of answers."""

    def __init__(
        self,
        url: str,
        model_name: str,
        model_version: str | None = None,
        *,
        lazy_init: bool = True,
        init_timeout_s: float | None = None,
        inference_timeout_s: float | None = None,
        model_config: TritonModelConfig | None = None,
        ensure_model_is_ready: bool = True,
        access_token: str | None = None,
    ) -> None:
        """lazy_init: wait for the model with the first request, not now. access_token: see TritonSecurityConfig.

        init_timeout_s: for the server and the model to be ready; 300 unless given. inference_timeout_s: for an answer;
        60 unless given. model_config, ensure_model_is_ready: what is known already.

        Raises PyTritonClientInvalidUrlError.
        """
        self._url = TritonUrl.from_url(url)
        self._name, self._version = model_name, "" if model_version is None else str(model_version)
        self._lazy_init = lazy_init
        self._init_timeout_s = INIT_TIMEOUT_S if init_timeout_s is None else init_timeout_s
        self._inference_timeout_s = INFERENCE_TIMEOUT_S if inference_timeout_s is None else inference_timeout_s
        self._config = model_config
        self._is_found = model_config is not None and not ensure_model_is_ready
        self._token = access_token
        self._questions = questions(self._url)
        self._numbers = count()

    def infer_sample(
        self,
        *inputs: Array,
        parameters: Parameters | None = None,
        headers: Mapping[str, Any] | None = None,
        **named_inputs: Array,
    ) -> Any:
        """Infer for one sample, without a batch dimension; gives a dict of arrays without one.

        In asyncio, await it; of a decoupled model, iterate over it.
        """
        return self._infer(Asked(inputs, named_inputs, parameters, headers, is_sample=True))

    def infer_batch(
        self,
        *inputs: Array,
        parameters: Parameters | None = None,
        headers: Mapping[str, Any] | None = None,
        **named_inputs: Array,
    ) -> Any:
        """Infer for a batch, whose rows axis 0 counts; otherwise as `infer_sample`."""
        return self._infer(Asked(inputs, named_inputs, parameters, headers, is_sample=False))

    @classmethod
    def from_existing_client(cls, existing_client: BaseModelClient) -> Self:
        """Make another client of the same model."""
        return cls(**existing_client._same())

    def _infer(self, asked: Asked) -> Any:
        """Ask, and give what came back."""
        raise NotImplementedError

    def _same(self) -> dict[str, Any]:
        """Arguments for another client of the same model, which need not ask what this one knows."""
        return {
            "url": self._url.with_scheme,
            "model_name": self._name,
            "model_version": self._version or None,
            "init_timeout_s": self._init_timeout_s,
            "inference_timeout_s": self._inference_timeout_s,
            "model_config": self._config,
            "ensure_model_is_ready": not self._is_found,
            "access_token": self._token,
        }

    def _inference(self, config: TritonModelConfig, asked: Asked) -> Inference:
        """Make what is asked. Raises PyTritonClientError for what cannot be asked of this model, or by this client."""
        check(asked.parameters, "Parameters")
        check(asked.headers, "Headers")
        if config.decoupled is not self.decoupled:
            kind = "decoupled. Use DecoupledModelClient" if config.decoupled else "coupled. Use ModelClient"
            raise PyTritonClientInferenceServerError(f"Model config is {kind} instead.")
        if not asked.is_sample and not config.batching:
            raise PyTritonClientModelDoesntSupportBatchingError(
                f"Model {config.model_name} doesn't support batching - use infer_sample method instead"
            )
        tensors = to_tensors(config, asked.inputs, asked.named, rows=asked.is_sample and config.batching)
        return Inference(tensors, str(next(self._numbers)), asked.parameters, asked.headers)

    def _late(self, what: str) -> PyTritonClientTimeoutError:
        return PyTritonClientTimeoutError(f"Waiting for {what} at {self._url.with_scheme} to be ready timed out.")

    @property
    def _called(self) -> str:
        return f"model {self._name}/{self._version or '<latest>'}"
