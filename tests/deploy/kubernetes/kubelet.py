"""A small kubelet: runs the pods of a Deployment as processes, and acts on probes, preStop and grace.

What it keeps of Kubernetes: a pod is started, held back until its startup probe succeeds, published as endpoint while
its readiness probe succeeds, and stopped and started again when its liveness probe fails. A pod that is deleted is no
endpoint from then on; its preStop hook runs, then SIGTERM is sent, and SIGKILL when the grace period, which both share,
is over. What it leaves out: containers. The image's entry point is the command of this checkout; its paths are folders
here; its ports, which several pods cannot share on one machine, are chosen by the system and found in its log.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]
_SERVICES = {"http": "HTTPService", "grpc": "GRPCInferenceService", "metrics": "Metrics Service"}
"""By the names of ports, what the log calls them."""
_TICK_S = 0.05


@dataclass(frozen=True)
class Probe:
    """As in a pod's spec; times in seconds."""

    http_get: Document = field(default_factory=dict)
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    successes: int = 1
    failures: int = 3

    @classmethod
    def of(cls, spec: Document) -> Probe:
        """Raises ValueError for what this kubelet cannot do."""
        known = {"httpGet", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold",
                 "failureThreshold"}  # fmt: skip
        if not spec or spec.keys() - known:
            raise ValueError(f"a probe of another kind: {spec}")
        return cls(
            spec["httpGet"], spec.get("initialDelaySeconds", 0), spec.get("periodSeconds", 10),
            spec.get("timeoutSeconds", 1), spec.get("successThreshold", 1), spec.get("failureThreshold", 3),
        )  # fmt: skip

    def ask(self, ports: Mapping[str, int]) -> bool:
        """Whether it succeeds: a status from 200 to 399 in time."""
        port = ports.get(str(self.http_get["port"]))
        if port is None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.timeout_s)
        try:
            connection.request("GET", self.http_get["path"], headers={"User-Agent": "kube-probe/test"})
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass
class Watch:
    """One probe at work: how often in a row it said the same, and when it is asked again."""

    probe: Probe
    due_s: float
    is_good: bool = False
    in_a_row: int = 0
    says: bool = False

    @classmethod
    def of(cls, spec: Document) -> Watch:
        """Of a container that is started now."""
        probe = Probe.of(spec)
        return cls(probe, time.monotonic() + probe.initial_delay_s)

    def ask(self, ports: Mapping[str, int]) -> bool | None:
        """Ask if it is time; returns what it means now, None if nothing is new."""
        if time.monotonic() < self.due_s:
            return None
        self.due_s = time.monotonic() + self.probe.period_s
        says = self.probe.ask(ports)
        self.in_a_row = self.in_a_row + 1 if says == self.says else 1
        self.says = says
        if self.in_a_row < (self.probe.successes if says else self.probe.failures):
            return None
        self.is_good = says
        return says


class Pod:
    """One pod and the thread that looks after it."""

    def __init__(
        self, name: str, spec: Document, folder: Path, folders: Mapping[str, Path], changed: Callable[[], None]
    ):
        """folder: for its log. folders: what stands for its mount paths. changed: called when its readiness has."""
        self.name, self._spec, self._folder, self._folders, self._changed = name, spec, folder, folders, changed
        [self._container] = spec["containers"]
        self.ports: dict[str, int] = {}
        self.is_ready = False
        self.has_started = False
        self.restarts = 0
        self.status: int | None = None
        """Of the process that was stopped last."""
        self.was_killed = False
        """The grace period was too short."""
        self.stopped_in_s = 0.0
        self._deleted = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._look_after, name=name)
        self._thread.start()

    @property
    def is_endpoint(self) -> bool:
        """Whether requests are sent to it."""
        return self.is_ready and not self._deleted.is_set()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process, if that runs."""
        self._process.send_signal(number)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def delete(self) -> None:
        """Have it stopped; it is no endpoint from now on."""
        self._deleted.set()
        self._changed()

    def join(self) -> None:
        """Wait until it is gone."""
        self._thread.join()

    def _start(self) -> subprocess.Popen[bytes]:
        container = self._container
        words = [self._here(word) for word in container["args"] if not word.startswith("--host=")]
        ports = [f"--{port['name']}-port=0" for port in container["ports"]]
        command = [str(Path(sys.executable).with_name("naiad")), *words, *ports, "--log-format=text"]
        env = os.environ | {each["name"]: self._here(each["value"]) for each in container.get("env", ())}
        self.ports, self._log = {}, self._folder / f"{self.name}-{self.restarts}.log"
        with self._log.open("wb") as out:
            return subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=self._folder)

    def _here(self, text: str) -> str:
        """A word of the pod's with folders of this machine; each pod has a cache of its own."""
        paths = "|".join(map(re.escape, self._folders))
        return re.sub(rf"(?<![\w/])({paths})(?=/|$)", self._folder_of, text)

    def _folder_of(self, found: re.Match[str]) -> str:
        folder = self._folders[found[1]]
        return str(folder / self.name if found[1] == "/cache" else folder)

    def _find_ports(self) -> None:
        found = dict(re.findall(r"Started ([\w ]+?) at \S+?:(\d+)", self.log))
        self.ports = {name: int(found[service]) for name, service in _SERVICES.items() if service in found}

    def _look_after(self) -> None:
        while not self._deleted.is_set():
            self._run_once()
            if not self._deleted.is_set():
                self.restarts += 1
                self._process = self._start()
        self.is_ready = False
        self._stop()

    def _run_once(self) -> None:
        """Watch one process until it ends, fails, or the pod is deleted."""
        watches = {kind: Watch.of(self._container[f"{kind}Probe"]) for kind in ("startup", "readiness", "liveness")}
        self.has_started = False
        while not self._deleted.wait(_TICK_S):
            if self._process.poll() is not None:
                self._become(False)
                return
            if len(self.ports) < len(_SERVICES):
                self._find_ports()
            if not self.has_started:
                told = watches["startup"].ask(self.ports)
                self.has_started = bool(told)
                if told is False:
                    self._stop()
                    return
                continue
            if (told := watches["readiness"].ask(self.ports)) is not None:
                self._become(told)
            if watches["liveness"].ask(self.ports) is False:
                self._become(False)
                self._stop()
                return

    def _become(self, is_ready: bool) -> None:
        if self.is_ready != is_ready:
            self.is_ready = is_ready
            self._changed()

    def _stop(self) -> None:
        """The preStop hook, SIGTERM, and SIGKILL at the end of the grace period."""
        began_s = time.monotonic()
        end_s = began_s + self._spec.get("terminationGracePeriodSeconds", 30)
        hook = self._container.get("lifecycle", {}).get("preStop", {})
        if hook.keys() - {"sleep"}:
            raise ValueError(f"a preStop hook of another kind: {hook}")
        if hook:
            threading.Event().wait(min(hook["sleep"]["seconds"], end_s - began_s))
        self._process.terminate()
        try:
            self.status = self._process.wait(max(0.0, end_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.was_killed = True
            self._process.kill()
            self.status = self._process.wait()
        self.stopped_in_s = time.monotonic() - began_s


class Kubelet:
    """Keeps as many pods of a Deployment as it wants; whoever asks for the endpoints is told of every change."""

    def __init__(
        self, deployment: Document, folder: Path, folders: Mapping[str, Path],
        publish: Callable[[list[Pod]], None] = lambda pods: None,
    ) -> None:  # fmt: skip
        """folders: what stands for the mount paths. publish: called with the endpoints whenever these change."""
        self._spec = deployment["spec"]["template"]["spec"]
        self._folder, self._folders, self._publish = folder, folders, publish
        self._lock = threading.Lock()
        self._count = 0
        self.pods: list[Pod] = []
        for _ in range(deployment["spec"]["replicas"]):
            self.add()

    def add(self) -> Pod:
        """Start one more pod."""
        self._count += 1
        pod = Pod(f"pod-{self._count}", self._spec, self._folder, self._folders, self._tell)
        self.pods.append(pod)
        return pod

    def replace(self, pod: Pod, timeout_s: float) -> Pod:
        """As a rolling update does (maxSurge 1, maxUnavailable 0): a new pod, and then the old one goes."""
        new = self.add()
        wait_until(lambda: new.is_ready, timeout_s, lambda: new.log)
        self.remove(pod)
        return new

    def remove(self, pod: Pod) -> None:
        """Delete a pod and wait until it is gone."""
        pod.delete()
        pod.join()
        self.pods.remove(pod)

    def close(self) -> None:
        """Delete all pods."""
        for pod in self.pods:
            pod.delete()
        for pod in self.pods:
            pod.join()
        self.pods.clear()

    def _tell(self) -> None:
        with self._lock:
            self._publish([pod for pod in self.pods if pod.is_endpoint])


def wait_until(condition: Callable[[], bool], timeout_s: float, say: Callable[[], str] = lambda: "") -> None:
    """Return when it holds. Raises TimeoutError with what there is to say."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(say()[-5000:])
        time.sleep(_TICK_S)
