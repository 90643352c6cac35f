"""Pictures worked on side by side on the processor: one thread of torch for each, instead of all threads for one.

The networks that look at faces are small. Shared among threads, each of their layers ends with all threads waiting for
the slowest; when another program has one of the cores, that took 0.6 s for a network that needs 0.01 s.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 4  # each holds one photo and its file

T = TypeVar("T")
R = TypeVar("R")


def each(items: Sequence[T], work: Callable[[T], R]) -> Iterator[R]:
    """Yield what `work` makes of the items, in their order, several at once. Raises what `work` raises."""
    import torch

    if not items:
        return
    count = min(MOST, os.cpu_count() or 1, len(items))
    ready = threading.Barrier(count + 1)
    pool = ThreadPoolExecutor(count, initializer=_alone, initargs=(ready,))
    threads = torch.get_num_threads()
    try:
        # The first `count` of them start all the threads, because none is idle before the barrier falls.
        tasks = [pool.submit(work, item) for item in items]
        ready.wait()
        # torch counts for each thread, but what a thread sets is what later threads begin with.
        torch.set_num_threads(threads)
        for task in tasks:
            yield task.result()
    except BaseException:
        ready.abort()  # threads that still wait for one that could not be started
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(ready: threading.Barrier) -> None:
    import torch

    torch.get_num_threads()  # a thread that has not asked takes the common number over at its first operation
    torch.set_num_threads(1)
    ready.wait()
