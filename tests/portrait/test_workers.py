"""Work side by side: in order, one thread of torch each, and nothing of it left behind."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from portrait_studio.portrait import workers


def test_results_come_in_the_order_of_the_items():
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            gate.set()
        else:
            gate.wait(0.2)
        return item * item

    assert list(workers.each(range(9), work)) == [item * item for item in range(9)]
    assert list(workers.each([], work)) == []


def test_each_has_one_thread_of_torch_and_others_keep_theirs():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:

        def work(_: int) -> int:
            torch.rand(512, 512).sum()
            return torch.get_num_threads()

        assert set(workers.each(range(5), work)) == {1}
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert (torch.get_num_threads(), later) == (3, [3])
    finally:
        torch.set_num_threads(before)


def test_a_failure_is_raised_where_it_was_asked_for_and_ends_the_rest():
    done: list[int] = []

    def work(item: int) -> int:
        if item == 1:
            raise ValueError("the second")
        time.sleep(0.002)
        done.append(item)
        return item

    running = workers.each(range(1000), work)
    assert next(running) == 0
    with pytest.raises(ValueError, match="the second"):
        next(running)
    assert len(done) < 900  # the rest was called off
