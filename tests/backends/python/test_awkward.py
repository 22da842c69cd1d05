"""Models that do what they should not: the caller gets a clear error, the log the traceback, and all goes on.

One model does whatever a request's parameter `do` says.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Batch
from naiad.core.errors import Failed, ModelFailed, NaiadError, NotReady

from .conftest import Code, answer, request_of, value

AWKWARD = """
    import json
    import os
    import signal
    import subprocess
    import sys
    import threading
    import time
    import numpy as np
    import triton_python_backend_utils as pb_utils

    ONE = pb_utils.Tensor("y", np.ones(1, np.float32))

    class TritonPythonModel:
        def __init__(self):
            self.kept = []

        def execute(self, requests):
            do = json.loads(requests[0].parameters()).get("do", "answer")
            return getattr(self, do)(requests)

        def answer(self, requests):
            return [pb_utils.InferenceResponse([ONE]) for _ in requests]

        def raises(self, requests):
            raise ValueError("seen in /etc/passwd")

        def raises_nothing_much(self, requests):
            raise KeyError

        def raises_tritons(self, requests):
            raise pb_utils.TritonModelException("told to everybody")

        def exits(self, requests):
            sys.exit("enough")

        def interrupts(self, requests):
            raise KeyboardInterrupt

        def too_deep(self, requests):
            return self.too_deep(requests)

        def too_much(self, requests):
            return np.empty(1 << 60)

        def gives_none(self, requests):
            return None

        def gives_no_list(self, requests):
            return 5

        def gives_too_few(self, requests):
            return []

        def gives_another_type(self, requests):
            return ["answer" for _ in requests]

        def gives_one_none(self, requests):
            return [None for _ in requests]

        def gives_no_tensor(self, requests):
            return [pb_utils.InferenceResponse(["tensor"]) for _ in requests]

        def gives_a_list(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", [1.0])]) for _ in requests]

        def gives_complex(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.ones(1, complex))]) for _ in requests]

        def gives_no_name(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("", np.ones(1))]) for _ in requests]

        def gives_another_name(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("z", np.ones(1))]) for _ in requests]

        def gives_more(self, requests):
            return [pb_utils.InferenceResponse([ONE, pb_utils.Tensor("z", np.ones(1))]) for _ in requests]

        def gives_another_datatype(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.ones(1))]) for _ in requests]

        def gives_another_shape(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.ones((1, 1), np.float32))]) for _ in requests]

        def gives_bad_parameters(self, requests):
            return [pb_utils.InferenceResponse([ONE], parameters={"p": 0.5}) for _ in requests]

        def gives_half_a_letter(self, requests):
            return [pb_utils.InferenceResponse([ONE], parameters={"p": chr(0xD800)}) for _ in requests]

        def sends_twice(self, requests):
            sender = requests[0].get_response_sender()
            sender.send(pb_utils.InferenceResponse([ONE]), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            sender.send(pb_utils.InferenceResponse([ONE]))

        def sends_and_returns(self, requests):
            requests[0].get_response_sender().send(pb_utils.InferenceResponse([ONE]), flags=1)
            return self.answer(requests)

        def sends_nothing(self, requests):
            requests[0].get_response_sender().send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

        def sends_an_unknown_flag(self, requests):
            requests[0].get_response_sender().send(pb_utils.InferenceResponse([ONE]), flags=5)

        def sends_later(self, requests):
            senders = [request.get_response_sender() for request in requests]
            def send():
                for sender in senders:
                    sender.send(pb_utils.InferenceResponse([ONE]), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            threading.Timer(0.05, send).start()

        def comes_back(self, requests):
            for request in requests:
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return [None for _ in requests]

        def is_released(self, requests):
            for request in requests:
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_ALL)
            return self.answer(requests)

        def is_released_somehow(self, requests):
            requests[0].set_release_flags(3)

        def calls_nobody(self, requests):
            return [pb_utils.InferenceRequest(model_name="", inputs=[ONE]).exec() for _ in requests]

        def prints(self, requests):
            print("printed é", flush=True)
            os.write(2, b"to stderr \\xff\\n")
            return self.answer(requests)

        def prints_much(self, requests):
            for _ in range(300):
                os.write(1, b"x" * 10_000)
            os.write(1, b"\\n")
            return self.answer(requests)

        def closes_its_output(self, requests):
            sys.stdout.close()
            os.close(1), os.close(2)
            return self.answer(requests)

        def changes_folder(self, requests):
            os.chdir("/")
            return self.answer(requests)

        def replaces_signals(self, requests):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            return self.answer(requests)

        def forks(self, requests):
            pid = os.fork()
            if pid == 0:
                time.sleep(1000)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([pid], np.float32))]) for _ in requests]

        def starts_a_program(self, requests):
            child = subprocess.Popen(["sleep", "1000"])
            self.kept.append(child)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([child.pid], np.float32))])
                    for _ in requests]

        def tells_its_variables(self, requests):
            found = ",".join(sorted(os.environ)).encode()
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([found.count(b"SECRET")], np.float32))])
                    for _ in requests]

        def tells_its_descriptors(self, requests):
            sockets = [one for one in os.listdir("/proc/self/fd")
                       if os.path.islink("/proc/self/fd/" + one) and "socket" in os.readlink("/proc/self/fd/" + one)]
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([len(sockets)], np.float32))])
                    for _ in requests]

        def keeps_inputs(self, requests):
            self.kept += [request.inputs()[0].as_numpy() for request in requests]
            assert all(one[0] == index for index, one in enumerate(self.kept)), self.kept
            return self.answer(requests)

        def leaves_threads(self, requests):
            threading.Thread(target=time.sleep, args=[1000]).start()
            return self.answer(requests)

        def ends(self, requests):
            os._exit(7)

        def crashes(self, requests):
            import ctypes
            ctypes.string_at(0)

        def is_killed(self, requests):
            os.kill(os.getpid(), signal.SIGKILL)

        def closes_its_descriptors(self, requests):
            os.closerange(3, 10_000)
            return self.answer(requests)

        def writes_to_its_descriptors(self, requests):
            import socket
            for number in os.listdir("/proc/self/fd"):
                try:
                    socket.socket(fileno=int(number)).send(b"nonsense")
                except OSError:
                    pass
            time.sleep(1000)

        def hangs(self, requests):
            time.sleep(1000)

        def finalize(self):
            raise ValueError("not over yet")
"""


@pytest.fixture(scope="module")
def awkward(shared_code: Code) -> Any:
    os.environ["A_SECRET"] = "1"
    os.environ["SECRETLESS_URL"] = "postgres://user:word@host/SECRET"
    try:
        return shared_code.load(AWKWARD, hang_s=30.0)  # or a mistake here would hold up everything
    finally:
        del os.environ["A_SECRET"], os.environ["SECRETLESS_URL"]


def ask(instance: Any, do: str, count: int = 1) -> Any:
    """The answer to the last of so many requests in one batch."""
    return instance.execute(Batch([request_of(parameters={"do": do}) for _ in range(count)]))[-1]


PREFIX = "Failed to process the request(s) for model 'm_0', message: "
WORDS = {
    "raises": PREFIX + "ValueError: seen in passwd",
    "raises_nothing_much": PREFIX + "KeyError",
    "raises_tritons": PREFIX + "TritonModelException: told to everybody",
    "exits": PREFIX + "SystemExit: enough",
    "interrupts": PREFIX + "KeyboardInterrupt",
    "too_deep": PREFIX + "RecursionError: ",
    "too_much": PREFIX + "ValueError: ",
    "gives_none": PREFIX + "Expected a list in the execute return, found type '<class 'NoneType'>'.",
    "gives_no_list": PREFIX + "Expected a list in the execute return, found type '<class 'int'>'.",
    "gives_too_few": "InferenceRequest(s) size is:2, and InferenceResponse(s) size is:0",
    "gives_another_type": "Expected an 'InferenceResponse' object in the execute function return list, found type '<c",
    "gives_one_none": "Expected an 'InferenceResponse' object in the execute function return list, found type '<c",
    "gives_no_tensor": "output_tensors must be pb_utils.Tensor objects, not str",
    "gives_a_list": "Tensor 'y': expected a numpy array, not list",
    "gives_complex": "Tensor 'y': numpy dtype complex128 has no Triton datatype",
    "gives_no_name": "Tensor name cannot be an empty string.",
    "gives_another_name": "model 'm' returned an output 'z', which its configuration does not declare; it declares 'y'",
    "gives_another_datatype": "output 'y' is declared as FP32, but the model returned FP64",
    "gives_another_shape": "output 'y' is declared with shape [-1], but the model returned [1, 1]",
    "gives_bad_parameters": "Expect parameters values to have type bool/int/str, found type <class 'float'> for 'p'",
    "sends_and_returns": "was answered by its sender and by the return value of execute",
    "sends_nothing": "Non-decoupled model cannot send complete final before sending a response.",
    "sends_an_unknown_flag": "Unable to send response. Unsupported flag provided.",
    "comes_back": "while the model is not configured to handle such a flag.",
    "is_released_somehow": PREFIX + "TritonModelException: 3 is no release flag",
    "calls_nobody": "a request to another model needs a model_name",
}


@pytest.mark.parametrize("do", WORDS)
def test_what_a_model_may_not_do_is_its_callers_error(awkward: Any, do: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "naiad.model"):
        error = ask(awkward, do, 2)
    assert isinstance(error, Failed)
    assert WORDS[do] in error.message
    assert "Traceback" not in error.message
    assert "/" not in error.message.replace("/int/str", "").replace("bool/", "")
    if error.message.startswith(PREFIX):
        assert "Traceback" in caplog.text
    assert value(ask(awkward, "answer")).tolist() == [1]


def test_the_log_says_where_it_was(awkward: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "naiad.model"):
        ask(awkward, "raises")
    assert "ValueError: seen in /etc/passwd" in caplog.text
    assert "model.py" in caplog.text
    assert ", in raises" in caplog.text


@pytest.mark.parametrize(
    "do",
    [
        "gives_more", "gives_half_a_letter", "sends_later", "sends_twice", "prints", "prints_much", "closes_its_output",
        "changes_folder", "replaces_signals", "leaves_threads", "is_released",
    ],
)  # fmt: skip
def test_what_a_model_may_do(awkward: Any, do: str) -> None:
    assert value(ask(awkward, do, 1 if do == "sends_twice" else 2)).tolist() == [1]
    assert value(ask(awkward, "answer")).tolist() == [1]


def test_what_a_model_prints_is_in_the_log(code: Code, caplog: pytest.LogCaptureFixture) -> None:
    instance = code.load(AWKWARD)
    with caplog.at_level(logging.INFO, "naiad.model"):
        ask(instance, "prints")
        instance.close()
    assert [one for one in caplog.messages if "printed" in one or "to st" in one] == [
        "m_0: printed é",
        "m_0: to stderr \ufffd",
    ]
    assert "finalize failed" in caplog.text
    assert "not over yet" in caplog.text


def test_a_worker_gets_no_secrets_and_no_sockets(awkward: Any) -> None:
    assert value(ask(awkward, "tells_its_variables")).tolist() == [0]
    assert value(ask(awkward, "tells_its_descriptors")).tolist() == [2]


def test_inputs_that_a_model_keeps_stay_as_they_are(code: Code) -> None:
    instance = code.load(AWKWARD)
    for index in range(6):
        request = request_of(x=np.full(20_000, index, np.float32), parameters={"do": "keeps_inputs"})
        assert value(answer(instance, request)).tolist() == [1]


ENDINGS = {
    "ends": "it exited with status 7",
    "crashes": "it was ended by SIGSEGV",
    "is_killed": "it was ended by SIGKILL",
    "closes_its_descriptors": "it exited with status 1",
    "writes_to_its_descriptors": "it sent something that makes no sense",
}


@pytest.mark.parametrize("do", ENDINGS)
def test_a_worker_that_ends_fails_its_batch_and_is_started_again(
    awkward: Any, do: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask(awkward, "answer")
    before = awkward._supervisor.restarts
    with caplog.at_level(logging.INFO, "naiad.model"):
        errors = awkward.execute(Batch([request_of(parameters={"do": do}) for _ in range(3)]))
    assert {error.message for error in errors} == {
        f"the worker process of instance 'm_0' ended while it ran this request: {ENDINGS[do]}; another one is started"
    }
    assert all(isinstance(error, ModelFailed) for error in errors)
    assert value(ask(awkward, "answer")).tolist() == [1]
    assert awkward._supervisor.restarts == before + 1
    if do == "crashes":
        assert "in crashes" in caplog.text  # where it was, in Python


def test_a_model_that_ends_between_requests(awkward: Any) -> None:
    ask(awkward, "answer")
    worker = awkward._supervisor.worker()
    os.kill(worker.pid, signal.SIGKILL)
    worker.gone.wait(30)
    assert value(ask(awkward, "answer")).tolist() == [1]


@pytest.mark.parametrize("do", ["forks", "starts_a_program"])
def test_nothing_that_a_model_starts_outlives_it(code: Code, do: str) -> None:
    instance = code.load(AWKWARD)
    child = int(value(ask(instance, do))[0])
    ends = select.poll()
    ends.register(os.pidfd_open(child), select.POLLIN)
    assert value(ask(instance, "answer")).tolist() == [1]
    assert not ends.poll(0)
    instance.close()
    assert ends.poll(30_000)


def test_when_memory_is_short_the_worker_is_the_first_to_go(awkward: Any) -> None:
    """Linux takes the process with the highest score; the server's stays as it is."""
    score = Path(f"/proc/{awkward._supervisor.worker().pid}/oom_score_adj")
    assert score.read_text().strip() == "1000"
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 1000


def test_a_model_that_hangs_is_ended_after_a_while(code: Code) -> None:
    instance = code.load(AWKWARD, hang_s=0.3)
    error = ask(instance, "hangs")
    assert isinstance(error, ModelFailed)
    assert "it took longer than --model-hang-timeout allows" in error.message
    assert value(ask(instance, "answer")).tolist() == [1]


def test_a_model_that_hangs_is_ended_when_it_is_unloaded(code: Code) -> None:
    instance = code.load(AWKWARD)
    errors: list[NaiadError] = []
    thread = threading.Thread(target=lambda: errors.append(ask(instance, "hangs")))
    thread.start()
    while not instance.is_running:
        pass
    instance.interrupt()
    thread.join(30)
    instance.close()
    assert "the model was unloaded" in errors[0].message


FAILS_LATER = """
    import os
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            if os.path.exists({flag!r}):
                raise ValueError("not again")
            open({flag!r}, "w").close()

        def execute(self, requests):
            os._exit(1)
"""


STARTS_SLOWLY_THE_SECOND_TIME = """
    import os, time
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            if os.path.exists({flag!r}):
                with open({pipe!r}, "w") as pipe:
                    pipe.write(str(os.getpid()))
                time.sleep(600)
            open({flag!r}, "w").close()

        def execute(self, requests):
            os._exit(1)
"""


def test_closing_a_model_ends_a_worker_that_is_being_started(code: Code, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    instance = code.load(STARTS_SLOWLY_THE_SECOND_TIME.format(flag=str(tmp_path / "flag"), pipe=str(pipe)))
    assert isinstance(answer(instance, request_of()), ModelFailed)
    second = pipe.read_text()
    instance.close()
    assert not Path(f"/proc/{second}").exists()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= before


def test_a_worker_that_cannot_start_again_is_tried_ever_more_slowly(code: Code, tmp_path: Path) -> None:
    instance = code.load(FAILS_LATER.format(flag=str(tmp_path / "flag")))
    assert isinstance(answer(instance, request_of()), ModelFailed)
    told = answer(instance, request_of())
    assert isinstance(told, NotReady)
    assert "is being started again; try again" in told.message
    assert not instance._supervisor.is_up
    (tmp_path / "flag").unlink()
    with instance._supervisor._changed:
        assert instance._supervisor._changed.wait_for(lambda: instance._supervisor.is_up, 30)
