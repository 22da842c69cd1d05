"""The backend `python`: a model is a file of code, model.py; each instance runs it in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from naiad.backends.graphless import Graphless
from naiad.backends.python.answers import Answers
from naiad.backends.python.asking import Asking
from naiad.backends.python.calls import Calls
from naiad.backends.python.endpoint import endpoint_header
from naiad.backends.python.environments.choosing import choose_launch, launch_in
from naiad.backends.python.instance import PythonInstance
from naiad.backends.python.launching import Launch
from naiad.backends.python.orders import Orders
from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.side import Side
from naiad.backends.python.stream import CAPACITY, PythonStream
from naiad.backends.python.supervisor import Order, Supervisor, load, start_all
from naiad.backends.python.worker import wire
from naiad.core.contracts import Instances, LoadRequest, TensorFiles
from naiad.core.errors import LoadFailed
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig

COMPLETED = ("max_batch_size", "input", "output", "dynamic_batching", "model_transaction_policy")
"""Fields of the configuration that `auto_complete_config` may fill in."""

KINDS = {"KIND_CPU": "CPU", "KIND_GPU": "GPU", "KIND_MODEL": "MODEL"}
"""What `initialize` is told of its instance."""

_CPU = ("CPU", 0)

NVIDIA = Path("/dev/nvidiactl")
"""There is where NVIDIA's driver is."""

END_SETTING = "stub-timeout-seconds"
"""Triton's name; here the time that `finalize` may take."""

END_S = 30.0


class PythonBackend(Graphless):
    """Starts workers."""

    def __init__(self, home: Path | None = None) -> None:
        """home: folder of the code that runs all models of this backend; None: each model brings its own."""
        self.name = "python" if home is None else home.name
        self._home = home

    @property
    def has_gpus(self) -> bool:
        """See `RunsOnGpus`; the model's code takes the GPU that it is told, so that one must be there."""
        return NVIDIA.exists()

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:
        """Have `auto_complete_config` complete the configuration, in a worker of its own, if the code has one.

        Raises LoadFailed.
        """
        path = _code(config["name"], version_dir, config.get("default_model_filename", ""), self._home)
        if b"auto_complete_config" not in path.read_bytes():
            return config
        order = {"model": _model(path, version_dir), "config": json.dumps(config)}
        try:
            launch = choose_launch(config["name"], version_dir, _parameters(config), settings, self._home)
            worker = WorkerProcess(launch, config["name"], Side(Calls(None, {}), Asking(None)).handle)
        except OSError as error:
            raise LoadFailed(f"model '{config['name']}': no worker process can be started: {error}") from error
        listening = _in_thread(worker)
        try:
            completed = load(worker, order, wire.COMPLETE)
        except LoadFailed as error:
            raise LoadFailed(f"model '{config['name']}': {error.message}", model=config["name"]) from error
        finally:
            worker.kill("it has done its work")
            worker.wait_gone()
            listening.join()
            worker.close()
        return {**config, **{key: completed[key] for key in COMPLETED if key in completed}}

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Start a worker for each instance, side by side. Raises LoadFailed with what the code raises."""
        files = request.tensors
        config = files.config
        launch = _launch(files, request.settings, self._home)
        devices = list(_devices(config))
        orders, answers = Orders(config), Answers(config, files.version)
        is_alone = len(request.names) == 1 and not config.is_decoupled and files.endpoint is None
        only = config.name if is_alone else ""
        supervisors, sides = [], []
        for index, name in enumerate(request.names):
            side = Side(Calls(request.host, orders.traces, only), Asking(request.host, request.heard))
            header = _load_header(files, name, devices[index] if index < len(devices) else _CPU, self._home)
            order = Order(name, launch, header, side, request.hang_timeout_s, _seconds(config.name, request.settings))
            supervisors.append(Supervisor(order))
            sides.append(side)
        _start(config.name, supervisors)
        capacity = CAPACITY if files.endpoint is None else files.endpoint.capacity
        instances = [_instance(*one, orders, answers, capacity) for one in zip(supervisors, sides, strict=True)]
        return Instances(
            tuple(instances),
            names=request.names,
            is_ready=lambda: any(one.is_ready for one in supervisors),
            restarts=lambda: sum(one.restarts for one in supervisors),
        )


def _instance(
    supervisor: Supervisor, side: Side, orders: Orders, answers: Answers, capacity: int
) -> PythonInstance | PythonStream:
    if not supervisor.facts["streams"]:
        return PythonInstance(supervisor, orders, answers, side.calls)
    is_async = bool(supervisor.facts["is_async"])
    stream = side.stream = PythonStream(supervisor, orders, answers, is_async=is_async, capacity=capacity)
    return stream


def _start(model: str, supervisors: list[Supervisor]) -> None:
    """Start all; none is left when one fails. Raises LoadFailed."""
    try:
        start_all(supervisors)
    except LoadFailed as error:
        raise LoadFailed(f"model '{model}': {error.message}", model=model) from error


def _in_thread(worker: WorkerProcess) -> Any:
    import threading

    thread = threading.Thread(target=worker.listen, name=f"{worker.name}-worker", daemon=True)
    thread.start()
    return thread


def _parameters(document: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value.get("string_value", "")) for key, value in document.get("parameters", {}).items()}


def _code(model: str, version_dir: Path, filename: str, home: Path | None) -> Path:
    """Return the file of a model's code: the model's own, or its backend's. Raises LoadFailed where there is none."""
    path = version_dir / (filename or "model.py") if home is None else home / "model.py"
    if not path.is_file():
        raise LoadFailed(f"model '{model}': there is no file {path.parent.name}/{path.name}", model=model)
    return path


def _model(path: Path, version_dir: Path) -> list[str]:
    """What a worker imports, as a package's folder, its name and a file's; then the folder of the model's version."""
    return [str(path.parent.parent), path.parent.name, path.name, str(version_dir)]


def _launch(files: TensorFiles, settings: Mapping[str, str], home: Path | None) -> Launch:
    config, endpoint = files.config, files.endpoint
    if endpoint is None:
        return choose_launch(config.name, files.version_dir, config.parameters, settings, home)
    return launch_in(config.name, endpoint.environment, settings)


def _load_header(files: TensorFiles, name: str, device: tuple[str, int], home: Path | None) -> dict[str, Any]:
    config = files.config
    args = {
        "model_config": json.dumps(config.document),
        "model_instance_kind": device[0],
        "model_instance_name": name,
        "model_instance_device_id": str(device[1]),
        "model_repository": str(files.model_dir),
        "model_version": files.version,
        "model_name": config.name,
    }
    header = {
        "args": args,
        "config": {"outputs": [tensor.name for tensor in config.outputs]},
        "decoupled": config.is_decoupled,
    }
    if files.endpoint is not None:
        return {**header, "endpoint": endpoint_header(files.endpoint)}
    path = _code(config.name, files.version_dir, config.default_model_filename, home)
    return {**header, "model": _model(path, files.version_dir)}


def _devices(config: ModelConfig) -> Iterator[tuple[str, int]]:
    """The kind of each instance that takes requests, and the number of its GPU."""
    for group in config.instance_groups:
        if not group.is_passive:
            yield from [(KINDS.get(group.kind, "CPU"), group.gpu or 0)] * group.count


def _seconds(model: str, settings: Mapping[str, str]) -> float:
    given = settings.get(END_SETTING)
    if given is None:
        return END_S
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        raise LoadFailed(
            f"model '{model}': --backend-config=python,{END_SETTING} must be a number of seconds, not '{given}'"
        )
    return seconds
