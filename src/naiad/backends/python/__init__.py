"""Models that are Python code: each instance is a worker process, so that no model can block or end the server.

`backend.py` begins, `supervisor.py` keeps workers alive, `process.py` is one of them as the server sees it;
`instance.py` and `stream.py` run batches on it. What runs inside of a worker is `worker/`, the wire between the two
`worker/wire.py`.
"""
