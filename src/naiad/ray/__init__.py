"""Floor 5: a server as a deployment of Ray Serve, behind Ray's own HTTP and gRPC proxies.

In a configuration file, `import_path: naiad.ray:app` and `grpc_servicer_functions: [naiad.ray.add_grpc_service]`; in
Python, `serve.run(naiad.ray.app({"models": ["minilm=sentence-transformers/all-MiniLM-L6-v2"]}))`.
"""

from naiad.ray.application import app
from naiad.ray.grpc_service import add_grpc_service
from naiad.ray.replica import Replica

__all__ = ["Replica", "add_grpc_service", "app"]
