"""Every method that is not inference."""

from __future__ import annotations

from typing import Any

from harness.case import Rpc, Step
from harness.region import KEY

VERSIONS = ("", "1", "9", "0", "x", "-1", "-2", "01", "99999999999999999999")
READING = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")


def register(**fields: Any) -> list[Step]:
    return [
        Rpc("SystemSharedMemoryRegister", {"name": "r", "key": KEY, "offset": 0, "byte_size": 256, **fields}),
        Rpc("SystemSharedMemoryStatus", {}),
        Rpc("SystemSharedMemoryUnregister", {}),
        Rpc("SystemSharedMemoryStatus", {}),
    ]


def trace(model: str = "", **settings: Any) -> list[Step]:
    values = {key: {"value": value} for key, value in settings.items()}
    clear = {key: {} for key in ("trace_level", "trace_rate", "trace_count", "log_frequency")}
    plain = {"trace_level": ["OFF"], "trace_rate": ["1000"], "trace_count": ["-1"], "log_frequency": ["0"]}
    back = {key: {"value": value} for key, value in plain.items()}
    return [
        Rpc("TraceSetting", {"model_name": model, "settings": values}),
        Rpc("TraceSetting", {"model_name": model}),
        Rpc("TraceSetting", {"model_name": model, "settings": clear}),
        *([] if model else [Rpc("TraceSetting", {"settings": back})]),
    ]


def log(**settings: Any) -> list[Step]:
    back = {"log_info": {"bool_param": True}, "log_warning": {"bool_param": True}, "log_error": {"bool_param": True},
            "log_verbose_level": {"uint32_param": 0}, "log_format": {"string_param": "default"}}  # fmt: skip
    return [Rpc("LogSettings", {"settings": settings}), Rpc("LogSettings"), Rpc("LogSettings", {"settings": back})]


CASES: dict[str, Step | list[Step]] = {
    "ServerLive": Rpc("ServerLive"),
    "ServerReady": Rpc("ServerReady"),
    "ServerMetadata": Rpc("ServerMetadata"),
    **{f"{method} {model}": Rpc(method, {"name": model}) for method in READING
       for model in ("counted", "text", "all", "rows", "nope", "") if method != "ModelStatistics" or model in ("counted", "nope")},
    **{f"{method} of version {version!r}": Rpc(method, {"name": "counted", "version": version})
       for method in READING for version in VERSIONS},
    **{f"{method} with bytes that are no message": Rpc(method, b"\xff\xff") for method in ("ServerLive", *READING)},
    "RepositoryIndex": Rpc("RepositoryIndex"),
    "RepositoryIndex, ready": Rpc("RepositoryIndex", {"ready": True}),
    "RepositoryIndex of a repository": Rpc("RepositoryIndex", {"repository_name": "x"}),
    "RepositoryModelLoad": Rpc("RepositoryModelLoad", {"model_name": "simple"}),
    "RepositoryModelLoad, unknown": Rpc("RepositoryModelLoad", {"model_name": "nope"}),
    "RepositoryModelLoad from a repository": Rpc("RepositoryModelLoad", {"repository_name": "x", "model_name": "simple"}),
    "RepositoryModelUnload": Rpc("RepositoryModelUnload", {"model_name": "simple"}),
    "RepositoryModelUnload from a repository": Rpc("RepositoryModelUnload", {"repository_name": "x"}),
    "SystemSharedMemoryStatus": Rpc("SystemSharedMemoryStatus"),
    "SystemSharedMemoryStatus, unknown": Rpc("SystemSharedMemoryStatus", {"name": "x"}),
    "SystemSharedMemoryUnregister, unknown": Rpc("SystemSharedMemoryUnregister", {"name": "x"}),
    "register": register(),
    "register twice": [Rpc("SystemSharedMemoryRegister", {"name": "r", "key": KEY, "byte_size": 256}), *register()],
    "register without a slash": register(key=KEY[1:]),
    "register an unknown key": register(key="/naiad_nothing_here"),
    "register without a key": register(key=""),
    "register without a name": register(name=""),
    "register without a key or a name": register(key="", name=""),
    "register a slash": register(key="/"),
    "register no bytes": register(byte_size=0),
    "register past the end": register(byte_size=2**40),
    "register an offset past the end": register(offset=2**40),
    "register at 2**64-1": register(offset=2**64 - 1),
    "CudaSharedMemoryStatus": Rpc("CudaSharedMemoryStatus"),
    "CudaSharedMemoryStatus, unknown": Rpc("CudaSharedMemoryStatus", {"name": "x"}),
    "CudaSharedMemoryRegister": Rpc("CudaSharedMemoryRegister", {"name": "r", "raw_handle": b"x", "byte_size": 64}),
    "CudaSharedMemoryRegister, nothing": Rpc("CudaSharedMemoryRegister"),
    "CudaSharedMemoryRegister, a whole handle": Rpc(
        "CudaSharedMemoryRegister", {"name": "r", "raw_handle": b"x" * 64, "byte_size": 64}),
    "CudaSharedMemoryUnregister": Rpc("CudaSharedMemoryUnregister", {"name": "x"}),
    "CudaSharedMemoryUnregister all": Rpc("CudaSharedMemoryUnregister"),
    "TraceSetting": Rpc("TraceSetting"),
    "TraceSetting of a model": Rpc("TraceSetting", {"model_name": "simple"}),
    "TraceSetting of an unknown model": Rpc("TraceSetting", {"model_name": "nope"}),
    "trace, rate": trace(trace_rate=["7"]),
    "trace, rate text": trace(trace_rate=["x"]),
    "trace, rate negative": trace(trace_rate=["-7"]),
    "trace, rate twice": trace(trace_rate=["7", "8"]),
    "trace, count": trace(trace_count=["7"]),
    "trace, count text": trace(trace_count=["x"]),
    "trace, count -2": trace(trace_count=["-2"]),
    "trace, frequency": trace(log_frequency=["7"]),
    "trace, level": trace(trace_level=["TIMESTAMPS", "TENSORS"]),
    "trace, level unknown": trace(trace_level=["X"]),
    "trace, level off and on": trace(trace_level=["OFF", "TIMESTAMPS"]),
    "trace, a file": trace(trace_file=["x"]),
    "trace, an unknown key": trace(mine=["x"]),
    "trace, a model": trace("simple", trace_rate=["9"]),
    "trace, a model wrong": trace("simple", trace_rate=["x"]),
    "LogSettings": Rpc("LogSettings"),
    "log, info": log(log_info={"bool_param": False}),
    "log, info text": log(log_info={"string_param": "x"}),
    "log, info number": log(log_info={"uint32_param": 1}),
    "log, level": log(log_verbose_level={"uint32_param": 2}),
    "log, level text": log(log_verbose_level={"string_param": "2"}),
    "log, level bool": log(log_verbose_level={"bool_param": True}),
    "log, format": log(log_format={"string_param": "ISO8601"}),
    "log, format unknown": log(log_format={"string_param": "x"}),
    "log, format number": log(log_format={"uint32_param": 2}),
    "log, a file": log(log_file={"string_param": "x"}),
    "log, an unknown key": log(mine={"bool_param": False}),
    "log, no value": log(log_info={}),
}  # fmt: skip

RESTRICTED: dict[str, Step] = {
    f"{method}{name}": Rpc(method, metadata=metadata)
    for method in ("RepositoryIndex", "RepositoryModelLoad", "ModelStatistics", "TraceSetting", "ServerReady", "ServerLive",
                   "LogSettings", "SystemSharedMemoryStatus")
    for name, metadata in {
        "": (), " with": (("triton-grpc-protocol-admin", "secret"),), " with the bare name": (("admin", "secret"),),
        " with a wrong value": (("triton-grpc-protocol-admin", "secre"),), " with another's": (("triton-grpc-protocol-other", "key"),),
    }.items()
}  # fmt: skip
"""For the configuration `restricted`: as over HTTP, but the headers' names have Triton's prefix."""
