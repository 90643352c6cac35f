"""A ComfyUI that lies, and the command that runs a job on it: every bad body, and some of what never ends."""

from __future__ import annotations

import sys

import pytest

from .lies import attempt, invoked, of_bodies, of_floods, tried

SOME = (
    *("GET /queue: a body without end", "GET /history/: a dripped body", "GET /view: chunks without end"),
    *("POST /prompt: silence", "GET /object_info: lists", "GET /history/: a text with an escaped emoji"),
    *("websocket: a frame of 3 GB", "websocket: pings without end", "websocket: parts without end"),
)


def test_every_bad_body_and_name_is_refused_in_a_sentence_and_nothing_bad_is_saved(tmp_path):
    slow = ("GET /history/: length of -5", "chunk of", ": 500", ": 503", "two lengths")  # waited for until time is up
    scripts = [(name, script) for name, script in of_bodies() if not any(word in name for word in slow)]
    assert len(scripts) > 200
    tries = [(name, tried(script, tmp_path / f"{number}", invoked)) for number, (name, script) in enumerate(scripts)]
    assert [f"{name}: {fault}" for name, (fault, _) in tries if fault] == []


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("name", SOME)
def test_what_never_ends_or_is_too_large_ends_in_time_and_in_little_memory(tmp_path, name):
    fault, _ = tried(dict(of_floods())[name], tmp_path / "job", attempt)
    assert fault == ""
