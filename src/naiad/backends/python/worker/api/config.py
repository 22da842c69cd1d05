"""The configuration as `auto_complete_config` sees and completes it; rules and words are Triton's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


class ModelConfig:
    """A configuration that may be completed, but not contradicted."""

    def __init__(self, model_config: str) -> None:
        self._model_config: dict[str, Any] = json.loads(model_config)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration; not to be changed."""
        return self._model_config

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Set it. Raises ValueError where the configuration says a larger one."""
        given = self._model_config["max_batch_size"]
        if given > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {given}, but in auto-complete-config function for model "
                f"'{self._name}' specified max_batch_size {max_batch_size}"
            )
        self._model_config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Ask for dynamic batching. Raises ValueError where another scheduler is set."""
        for other in ("sequence_batching", "ensemble_scheduling"):
            if other in self._model_config:
                raise ValueError(
                    f"Configuration specified scheduling_choice as '{other}', but auto-complete-config function for "
                    f"model '{self._name}' tries to set scheduling_choice as 'dynamic_batching'"
                )
        self._model_config.setdefault("dynamic_batching", {})

    def add_input(self, input: Mapping[str, Any]) -> None:  # noqa: A002 — Triton's
        """Declare an input: name, data_type, dims, optional. Raises ValueError where the configuration has another."""
        self._add(
            "input", input, ("name", "data_type", "dims", "optional"), "'name', 'data_type', 'dims' and 'optional'"
        )

    def add_output(self, output: Mapping[str, Any]) -> None:
        """Declare an output: name, data_type, dims. Raises ValueError where the configuration has another."""
        self._add("output", output, ("name", "data_type", "dims"), "'name', 'data_type' and 'dims'")

    def set_model_transaction_policy(self, transaction_policy_dict: Mapping[str, Any]) -> None:
        """Say whether the model is decoupled. Raises ValueError where the configuration says otherwise."""
        if set(transaction_policy_dict) - {"decoupled"}:
            raise ValueError(
                f"model transaction property in auto-complete-config function for model '{self._name}' contains "
                "property other than 'decoupled'."
            )
        policy = self._model_config.setdefault("model_transaction_policy", {})
        if "decoupled" in transaction_policy_dict:
            wanted = transaction_policy_dict["decoupled"]
            if policy.get("decoupled", wanted) != wanted:
                raise ValueError(
                    f"trying to change decoupled property in auto-complete-config for model '{self._name}', which is "
                    f"already set to '{policy['decoupled']}'."
                )
            policy["decoupled"] = wanted

    @property
    def _name(self) -> str:
        return str(self._model_config["name"])

    def _add(self, side: str, tensor: Mapping[str, Any], known: Iterable[str], listed: str) -> None:
        where = f"in auto-complete-config function for model '{self._name}'"
        if "name" not in tensor:
            raise ValueError(f"{side} {where} is missing 'name' property.")
        name = tensor["name"]
        if set(tensor) - set(known):
            raise ValueError(f"{side} '{name}' {where} contains property other than {listed}.")
        for property_name in ("data_type", "dims"):
            if property_name not in tensor:
                raise ValueError(f"{side} '{name}' {where} is missing '{property_name}' property.")
        for given in self._model_config[side]:
            if given["name"] == name:
                self._check(side, given, tensor)
                given.update(tensor)
                return
        self._model_config[side].append(dict(tensor))

    def _check(self, side: str, given: Mapping[str, Any], tensor: Mapping[str, Any]) -> None:
        name, kind = tensor["name"], tensor["data_type"]
        if given["data_type"] not in ("TYPE_INVALID", kind):
            raise ValueError(
                f"unable to load model '{self._name}', configuration expects datatype {given['data_type']} for {side} "
                f"'{name}', model provides {kind}"
            )
        for what in ("dims", "optional"):
            if what in tensor and given.get(what) and given[what] != tensor[what]:
                raise ValueError(
                    f"model '{self._name}', tensor '{name}': the model expects {what} {tensor[what]} but the model "
                    f"configuration specifies {what} {given[what]}"
                )
