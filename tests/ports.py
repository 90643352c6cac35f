"""Ports of this machine that no other process is given while a test wants them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """Yield a port of the loopback interface that nobody listens on, and that nobody is given while the block runs.

    It is bound here and not listened on; on Linux a server that sets SO_REUSEADDR may take it all the same.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
