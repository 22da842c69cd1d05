"""Models whose requests carry work instead of tensors: a web application, and its functions whose calls are joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from naiad.core.errors import Unsupported
from naiad.core.message import InferRequest, InferResponse
from naiad.core.user_code.application import Part, WebRequest
from naiad.scheduling.contract import Job
from naiad.serving.response_sender import ResponseSender
from naiad.serving.tensor_model import TensorModel


class WorkModel(TensorModel):
    """Takes only what this server's own parts make; tensors of clients are refused by name."""

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        work = request.work
        if work is None:
            raise Unsupported(self._refusal(), model=self.name)
        rows, group = (1, None) if isinstance(work, WebRequest) else (work.rows, work.group)
        job = Job(work, rows, self._done, group)
        job.owner = sender
        sender.on_cancel = partial(self._scheduler.cancel, job)
        self._scheduler.submit(job)

    def _refusal(self) -> str:
        name = self.name.partition(".")[0]
        return f"model '{self.name}' is a function of the application '{name}'; only its own requests call it"

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        if not isinstance(result, Exception):
            result = InferResponse(self.name, self.version, [])
        super()._done(job, result, is_final)


class ApplicationModel(WorkModel):
    """The application itself. Parts of responses go to who asked as they come; the one answer says that it is over."""

    asked: Collection[str] = ()
    """Its functions, by their models' names."""
    end: Callable[[], None] = lambda: None
    """Lets the application end: background tasks, then its own shutdown; blocks."""

    def _refusal(self) -> str:
        return f"model '{self.name}' is a web application; it is asked by its own URLs"

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        sender: ResponseSender = job.owner
        if isinstance(result, Part) and not sender.is_over:
            job.item.on_part(result)
        if is_final:
            super()._done(job, result, is_final)

    async def drain(self) -> None:
        """See `ServedModel.drain`; the application has ended then, so that its functions may go."""
        await super().drain()
        await asyncio.to_thread(self.end)
