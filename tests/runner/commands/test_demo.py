"""What install.py starts: how it ends when it is told to."""

from __future__ import annotations

import os
import signal
import time

import pytest

from portrait_studio.runner.client.errors import exit_code
from portrait_studio.runner.commands import app, demo, entry


def test_a_terminated_demo_ends_with_the_code_for_it(monkeypatch):
    def terminated(**_: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(app, "app", terminated)
    try:
        with pytest.raises(SystemExit) as end:
            entry.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert end.value.code == exit_code("terminated")


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        (None, "No subject was trained"),
        ({"subject": "a", "reused": True, "seconds": 9.0, "likeness": {"before": 0.5, "after": 0.8}}, "used again"),
        ({"subject": "a", "reused": False, "seconds": 9.0, "likeness": {"before": None, "after": 0.8}}, "not measured"),
    ],
)
def test_the_demo_says_what_was_learned(trained, words):
    assert words in demo._learned({"training": trained})
