"""Python's search for unreachable cycles, put off while a graph is built."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the garbage collector from searching for cycles while the body runs.

    It goes through all that is there each time the number of objects has grown by a quarter, which is most of the time
    that a graph of 50,000 nodes takes. How much can be built meanwhile is bounded by limits.json.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
