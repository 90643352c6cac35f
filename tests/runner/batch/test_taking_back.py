"""Cancelling a batch that stopped: what a killed runner has left on the hosts is taken back, and no more than that."""

from __future__ import annotations

import time

import pytest

from portrait_studio.runner.batch import State, take_back
from portrait_studio.runner.batch.state import NAME
from portrait_studio.runner.client import Client
from portrait_studio.runner.scheduling import messages as m
from tests.hostile.scripted import PROMPT, ScriptedHost
from tests.runner.command import invoke

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def left(tmp_path):
    """The state of a batch whose runner was killed: rows 1 and 2 are on a host, row 3 was on one that is gone."""
    with ScriptedHost(seconds=60.0) as host, Client(host.url) as client:
        for name in ("mine-1", "mine-2", "theirs"):
            client.post(PROMPT, name)
        with State.create(tmp_path / NAME, {"graph": "graph.json"}, [{"settings": {}}] * 3) as state:
            state.write([m.AttemptOpened(row, 1, host.url, f"mine-{row}") for row in (1, 2)])
            state.write([m.AttemptOpened(3, 1, NOBODY, "mine-3")])
            yield host, state, tmp_path


def on(host: ScriptedHost) -> set[str]:
    return {name for name, end in host.ends.items() if end > time.monotonic()}


def test_the_prompts_of_cancelled_rows_are_gone_and_others_stay(left):
    host, state, _ = left
    state.cancel([1])
    assert take_back(state) == (1, {})
    assert on(host) == {"mine-2", "theirs"}
    assert take_back(state) == (0, {})
    assert [one.prompt_id for row in state.load(9, 0).rows for one in row.open] == ["mine-2", "mine-3"]


def test_a_host_that_does_not_answer_is_named_and_may_be_asked_again(left):
    host, state, _ = left
    state.cancel()
    assert take_back(state) == (2, {NOBODY: 1})
    assert take_back(state) == (0, {NOBODY: 1})
    assert on(host) == {"theirs"}


def test_the_command_cancels_a_batch_that_stopped_here_and_on_its_hosts(left):
    host, state, folder = left
    state.close()
    answer = invoke("batch", "cancel", folder)
    assert answer.exit_code == 0, answer.stderr
    assert "3 rows cancelled" in answer.stderr
    assert f"{NOBODY} may still have 1 of its prompts" in answer.stderr
    assert on(host) == {"theirs"}
