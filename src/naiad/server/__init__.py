"""Floor 4: a whole server, in this process.

`assembly.py` puts the parts together, for the command line as for programs; `aio.py` and `sync.py` are what programs
use: `naiad.AsyncServer` and `naiad.Server`.
"""

from naiad.server.aio import AsyncServer
from naiad.server.sync import Server

__all__ = ["AsyncServer", "Server"]
