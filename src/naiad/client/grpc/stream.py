"""The answers to one request of a decoupled model, as they come, and how long they may keep silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from naiad.core.clock import monotonic
from naiad.core.errors import DeadlineExceeded, ModelFailed, NaiadError

Value_co = TypeVar("Value_co", covariant=True)


class GrpcStream(Generic[Value_co]):
    """Iterate over it in any thread; `close`, from any other too, withdraws the request."""

    def __init__(
        self,
        rpc: Any,
        read: Callable[[Any], Value_co],
        translate: Callable[[Any], NaiadError],
        silence_s: float | None,
    ) -> None:
        """rpc: of grpcio, under way. silence_s: the longest that is put up with between two answers; None: any."""
        self._rpc = rpc
        self._read = read
        self._translate = translate
        self._watch = None if silence_s is None else _Watch(silence_s, rpc.cancel)
        self._values = self._run()

    def __iter__(self) -> Iterator[Value_co]:
        return self

    def __next__(self) -> Value_co:
        return next(self._values)

    def close(self) -> None:
        """Listen no more."""
        self._rpc.cancel()
        if self._watch is not None:
            self._watch.end()

    def _run(self) -> Iterator[Value_co]:
        import grpc

        try:
            for answer in self._rpc:
                if self._watch is not None:
                    self._watch.heard()
                if answer.error_message:
                    raise ModelFailed(answer.error_message)
                response = answer.infer_response
                if response.outputs:
                    yield self._read(response)
                if response.parameters["triton_final_response"].bool_param:
                    return
        except grpc.RpcError as error:
            if self._watch is not None and self._watch.was_silent:
                raise DeadlineExceeded(f"nothing came for {self._watch.silence_s:g} s; allow more") from error
            raise self._translate(error) from error
        finally:
            self.close()


class _Watch:
    """A thread that ends a stream which keeps silent."""

    def __init__(self, silence_s: float, end: Callable[[], object]) -> None:
        self.silence_s = silence_s
        self.was_silent = False
        self._end = end
        self._until_s = monotonic() + silence_s
        self._is_over = threading.Event()
        threading.Thread(target=self._look, name="naiad-grpc-watch", daemon=True).start()

    def heard(self) -> None:
        """Something came."""
        self._until_s = monotonic() + self.silence_s

    def end(self) -> None:
        """Watch no more."""
        self._is_over.set()

    def _look(self) -> None:
        while (left_s := self._until_s - monotonic()) > 0:
            if self._is_over.wait(left_s):
                return
        self.was_silent = True
        self._end()
