"""A request as a function gets it, where no decorator has taken it apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence

from naiad.core.bf16 import bf16_to_float
from naiad.core.message import InferRequest, Parameter
from naiad.core.tensor import Array


class Request(MutableMapping[str, Array]):
    """Its inputs by name, as a mapping of numpy arrays, and what else came along.

    With batching, axis 0 counts rows. Strings are object arrays of `bytes`. The arrays are the function's own: it may
    write to them.
    """

    __slots__ = ("_arrays", "_owned", "id", "parameters", "requested_output_names")

    def __init__(
        self,
        data: Mapping[str, Array],
        parameters: Mapping[str, Parameter] | None = None,
        requested_output_names: Sequence[str] | None = None,
        id: str = "",  # noqa: A002 - the protocol's word
    ) -> None:
        self._arrays = dict(data)
        self._owned = set(self._arrays)
        """Names of arrays that nobody else has."""
        self.parameters = dict(parameters or {})
        """The caller's own, and headers that the server was told to pass on."""
        self.requested_output_names = list(requested_output_names or ())
        """Outputs that the caller wants; empty: all."""
        self.id = id

    @classmethod
    def of(cls, request: InferRequest) -> Request:
        """Make one of what came from a door; its arrays are copied when the function takes them."""
        arrays = {
            name: bf16_to_float(tensor.data) if tensor.datatype == "BF16" else tensor.data
            for name, tensor in request.inputs.items()
        }
        made = cls(arrays, request.parameters, [output.name for output in request.outputs], request.id)
        made._owned.clear()
        return made

    @property
    def data(self) -> dict[str, Array]:
        """All inputs, as a plain mapping."""
        return {name: self[name] for name in self._arrays}

    def view(self, name: str) -> Array:
        """An input that must only be read."""
        return self._arrays[name]

    def __getitem__(self, name: str) -> Array:
        if name not in self._owned:
            self._arrays[name] = self._arrays[name].copy()
            self._owned.add(name)
        return self._arrays[name]

    def __setitem__(self, name: str, array: Array) -> None:
        self._arrays[name] = array
        self._owned.add(name)

    def __delitem__(self, name: str) -> None:
        del self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}={array.dtype}{list(array.shape)}" for name, array in self._arrays.items())
        return f"Request({inputs})"
