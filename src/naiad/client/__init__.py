"""Floor 2: call models of any server that speaks the v2 protocol, Naiad or Triton.

`sync.py` and `aio.py` are the two doors; everything that is not waiting lives beside them: `calls.py` (what is sent and
how the answer is read), `values.py` (Python values ⇄ tensors), `metadata.py`, `result.py` and `errors.py`.
"""

from naiad.client.aio import AsyncClient, AsyncModel
from naiad.client.errors import Unreachable
from naiad.client.job import Job
from naiad.client.job_aio import AsyncJob
from naiad.client.jobs import JobStatus
from naiad.client.metadata import IndexEntry, ModelMetadata, ServerMetadata, TensorMetadata
from naiad.client.result import Result
from naiad.client.sync import Client, Model

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AsyncModel",
    "Client",
    "IndexEntry",
    "Job",
    "JobStatus",
    "Model",
    "ModelMetadata",
    "Result",
    "ServerMetadata",
    "TensorMetadata",
    "Unreachable",
]
