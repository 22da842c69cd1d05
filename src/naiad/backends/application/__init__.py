"""Web applications: WSGI and ASGI callables that run in worker processes, and their functions whose calls are joined.

Read `wire.py` first; `running.py` is the server's end, `worker/` what runs in the processes. Processes themselves are
the Python backend's, `backends/python`.
"""
