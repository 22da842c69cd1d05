"""A job's request in place of one that came over a connection: its answer is kept instead of being sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from naiad.core.errors import Cancelled, Exhausted, NaiadError, NotReady, Overloaded
from naiad.jobs.job import JobRequest, JobResult, JobState, Outcome, Postponed
from naiad.protocol.status import http_status
from naiad.wire.http.exchange import Exchange, Headers
from naiad.wire.waiting import Account, Waiting

_LENGTH = re.compile(rb"Inference-Header-Content-Length: (\d+)\r\n")
_JSON = b"application/json"


def headers_of(written: Mapping[str, str]) -> Headers:
    """Make the headers of a request from those that were kept with it."""
    headers = Headers()
    for name, value in written.items():
        raw, key = name.encode("latin-1"), name.lower().encode("latin-1")
        headers[key] = value.encode("latin-1")
        if raw != key:
            headers.note_written(key, raw)
    return headers


class JobExchange(Exchange):
    """See `Exchange`. What it holds counts among what waits in the server."""

    method = b"POST"

    def __init__(
        self, request: JobRequest, waiting: Waiting, most_bytes: int, done: Callable[[Outcome | Postponed], None]
    ) -> None:
        """most_bytes: of the result. done: called once. Raises Exhausted where too much waits."""
        super().__init__(lambda: None)
        self.responses = 0
        """Answers so far, of a stream."""
        self.headers = headers_of(request.headers)
        self.body = request.body
        self._done: Callable[[Outcome | Postponed], None] | None = done
        self._most_bytes = most_bytes
        self._events: list[bytes] = []
        self._events_bytes = 0
        self._content_type = b""
        self._failed: str = ""
        self._error: NaiadError | None = None
        self.account = Account(waiting)
        self.account.take(request.size)
        if self.account.is_over:
            reason = self.account.reason
            self.account.close()
            raise Exhausted(reason)

    def cancel(self) -> None:
        """Withdraw the request, and end."""
        abandon, self.on_abandon = self.on_abandon, None
        if abandon is not None:
            abandon()
        self.refuse(Cancelled("the job was cancelled"))

    def answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"",
        headers: bytes = b"",
        tail: tuple[bytes | memoryview, ...] = (),
    ) -> None:
        """See `Exchange.answer`."""
        length = _LENGTH.search(headers)
        self._end(status, b"".join((body, *tail)), content_type, length[1].decode() if length else "")

    def answer_json(self, body: bytes) -> None:
        """See `Exchange.answer_json`."""
        self._end(200, body, _JSON, "")

    def note(self, error: NaiadError | None) -> None:
        """See `Exchange.note`."""
        self._error = error

    def fail(self, status: int, message: str, headers: bytes = b"") -> None:  # noqa: ARG002 - none are kept
        """See `Exchange.fail`."""
        self._failed = message
        self._end(status, b"", _JSON, "")

    def begin_stream(self, status: int, content_type: bytes) -> None:  # noqa: ARG002 - the last answer says it
        """See `Exchange.begin_stream`."""
        self.is_streaming = True
        self._content_type = content_type

    def push(self, data: bytes) -> None:
        """See `Exchange.push`."""
        if self.is_finished:
            return
        self.responses += 1
        self._events_bytes += len(data)
        if self._events_bytes > self._most_bytes:
            self.cancel_for(Exhausted(f"the answers take more than the {self._most_bytes} bytes of --jobs-max-size"))
            return
        self._events.append(data)

    def end_stream(self) -> None:
        """See `Exchange.end_stream`."""
        status = 200 if self._error is None else http_status(self._error)
        self._failed = "" if self._error is None else self._error.message
        self._end(status, b"".join(self._events), self._content_type, "")

    def cancel_for(self, error: NaiadError) -> None:
        """Withdraw the request, and fail with an error."""
        abandon, self.on_abandon = self.on_abandon, None
        done, self._done = self._done, None
        if abandon is not None:
            abandon()
        self._done = done
        self._failed, self._error, self.is_finished = error.message, error, False
        self._end(http_status(error), b"", _JSON, "")

    def _end(self, status: int, body: bytes, content_type: bytes, header_length: str) -> None:
        done, self._done = self._done, None
        error, self._error = self._error, None
        if self.is_finished or done is None:
            return
        self.is_finished = True
        self.on_abandon = None
        if self.account is not None:
            self.account.close()
        if status == 200:
            result = JobResult(content_type.decode("latin-1"), body, header_length)
            done(Outcome(JobState.DONE, result, responses=self.responses))
        elif isinstance(error, NotReady | Overloaded) and not self.is_streaming:
            done(Postponed(error.message))
        else:
            code = "failed" if error is None else error.code
            done(Outcome(JobState.FAILED, None, status, self._failed, code, self.responses))
