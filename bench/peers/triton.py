"""The real Triton 2.51: the tritonserver binary that the wheel nvidia-pytriton carries, with its Python backend.

The wheel has no other backend, so both jobs are Python models. The backend starts a stub that embeds Python: it needs
the interpreter's own libpython and the wheel's libraries on the library path, and the environment's Python first on
PATH, else it finds another numpy (with numpy 2 it silently reads zeros).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

from contender import (
    APPS,
    IMAGE,
    SIMPLE,
    Files,
    Pair,
    Setting,
    encoder_environment,
    read_v2,
    v2_request,
)
from server_process import Launch, free_port

CONFIG = """name: "{name}"
backend: "python"
max_batch_size: {max_batch}
input [ {inputs} ]
output [ {outputs} ]
instance_group [ {{ kind: KIND_CPU count: {workers} }} ]
"""
WHERE = (
    "import sysconfig, sys; print(sysconfig.get_path('purelib')); print(sysconfig.get_config_var('LIBDIR'));"
    "print('%d.%d' % sys.version_info[:2])"
)


class Triton:
    name = "Triton"

    def settings(self, job: str) -> list[Setting]:
        if job == SIMPLE:
            return [Setting(), Setting(batch=8), Setting(workers=2)]
        return [Setting(workers=2), Setting(workers=2, batch=4)]

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:
        python = files.python("triton")
        told = subprocess.run([python, "-c", WHERE], capture_output=True, text=True, check=True)
        packages, libraries, version = told.stdout.split()
        triton = Path(packages) / "pytriton" / "tritonserver"
        stub = triton / "backends" / "python" / "triton_python_backend_stub"
        if not stub.exists():
            shutil.copy(triton / "python_backend_stubs" / version / stub.name, stub)
        repository = self.repository(job, setting, files)
        ports = [free_port() for _ in range(3)]
        argv = [str(triton / "bin" / "tritonserver"), f"--model-repository={repository}"]
        argv += [f"--backend-directory={triton / 'backends'}", "--http-address=127.0.0.1", "--grpc-address=127.0.0.1"]
        argv += [f"--{door}-port={port}" for door, port in zip(("http", "grpc", "metrics"), ports, strict=True)]
        env = encoder_environment(job, setting, files) | {
            "LD_LIBRARY_PATH": f"{libraries}:{Path(packages) / 'nvidia_pytriton.libs'}",
            "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(Path(python).parent.parent),
        }
        return Launch(argv, ports[0], "/v2/health/ready", env, grpc_port=ports[1])

    def repository(self, job: str, setting: Setting, files: Files) -> Path:
        """Write the model folder of a job and say where it lies."""
        repository = files.folder / "triton" / job
        self._write(repository, job, setting)
        return repository

    @staticmethod
    def _write(repository: Path, job: str, setting: Setting) -> None:
        name = job if job in (SIMPLE, IMAGE) else "text"
        config = CONFIG.format(name=name, workers=setting.workers, max_batch=32 if name == "text" else 8,
                               **_tensors(job))  # fmt: skip
        if setting.batch > 1:
            size = f"preferred_batch_size: [ {setting.batch} ] " if job != SIMPLE else ""
            config += f"dynamic_batching {{ {size}max_queue_delay_microseconds: {setting.wait_ms * 1000} }}\n"
            config = config.replace("max_batch_size: 32", f"max_batch_size: {setting.batch}")
        folder = repository / name / "1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "config.pbtxt").write_text(config)
        shutil.copy(APPS / f"triton_{name}.py", folder / "model.py")

    def request(self, job: str, item: Pair | str) -> bytes:
        return v2_request("simple" if job == SIMPLE else "text", job, item, text_shape=[1, 1])

    def read(self, job: str, body: bytes) -> np.ndarray:
        return read_v2(job, body)


def _tensors(job: str) -> dict[str, str]:
    if job == SIMPLE:
        sides = {"inputs": "INPUT", "outputs": "OUTPUT"}
        return {key: ", ".join(f'{{ name: "{side}{i}" data_type: TYPE_INT32 dims: [ 16 ] }}' for i in (0, 1))
                for key, side in sides.items()}  # fmt: skip
    if job == IMAGE:
        sides = {"inputs": "INPUT", "outputs": "OUTPUT"}
        return {key: f'{{ name: "{side}" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }}' for key, side in sides.items()}
    return {
        "inputs": '{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }',
        "outputs": '{ name: "embedding" data_type: TYPE_FP32 dims: [ 384 ] }',
    }
