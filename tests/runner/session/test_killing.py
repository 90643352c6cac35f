"""Sessions killed by SIGKILL at random moments and started again give the same pictures."""

from __future__ import annotations

import os

import pytest

from .killing import live

pytestmark = [
    pytest.mark.host,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        "PORTRAIT_STUDIO_LONG" not in os.environ,
        reason="NOT KILLED HERE: many minutes long; set PORTRAIT_STUDIO_LONG, or run tests.runner.session.killing",
    ),
]


def test_a_session_killed_again_and_again_gives_the_same_pictures(host, comfyui, tmp_path):
    store = comfyui / "models" / "portrait_studio" / "subjects"
    moments, compared, wrong = live(host.url, store, 4, 1, True, tmp_path)
    assert len(moments) == 4
    assert compared >= 12
    assert wrong == 0
