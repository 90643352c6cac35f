"""`portrait-studio fleet`: what is refused before anything is sent; tests/runner/fleet runs it for real."""

from __future__ import annotations

import importlib.util

import pytest

from ..command import invoke, one_sentence


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 80])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    answer = invoke("fleet", "worker", f"--name={name}", "--out", tmp_path)
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr)
    assert "cannot be the name of a worker" in answer.stderr


def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    answer = invoke("fleet", "worker", "--name", "one", "--out", tmp_path)
    assert answer.exit_code == 1
    assert "pip install 'portrait-studio[fleet]'" in answer.stderr
