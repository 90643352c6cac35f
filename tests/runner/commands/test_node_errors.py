"""What is said of a node that failed on the real host: its name and its reason, and no code of anybody's."""

from __future__ import annotations

import json
import sqlite3

import pytest

from ..command import invoke, one_sentence

pytestmark = pytest.mark.host

CODE = ("portrait_studio.", "studio_test_nodes", "custom_nodes", "StudioTestError", "PortraitError", ".py", "Traceback")
OURS = {
    "class_type": "PortraitPosePreset",
    "inputs": {"preset": "head-front", "width": 64, "height": 64, "pose_json": "{", "hands": True, "fit": "auto"},
    "_meta": {"title": "How she sits"},
}


@pytest.fixture(params=["a node of another pack", "a node of ours"])
def failing(request, fresh, graph) -> tuple[str, str]:
    """A graph with a node that fails, and what is to be said of it."""
    prompt = fresh()
    if request.param == "a node of ours":
        prompt["5"] = OURS
        prompt["9"]["inputs"]["images"] = ["5", 0]
        return graph(prompt), "How she sits (node 5) failed: The pose is not JSON"
    prompt["5"] = {"class_type": "StudioTestFail", "inputs": {"image": ["1", 0]}}
    prompt["9"]["inputs"]["images"] = ["5", 0]
    return graph(prompt), "StudioTestFail (node 5) failed: the test node fails on purpose"


def bare(text: str) -> str:
    """Return a text, in which no code may be named."""
    assert [word for word in CODE if word in text] == []
    return text


def test_a_run_says_which_node_failed_and_why_and_names_no_module(failing, host, tmp_path):
    file, sentence = failing
    told = invoke("run", file, "--host", host.url, "--out", tmp_path / "out", "--json")
    assert told.exit_code != 0
    assert one_sentence(bare(told.stderr))
    assert told.stderr.startswith(sentence)
    last = json.loads(bare(told.stdout).splitlines()[-1])
    assert last["event"] == "failed"
    assert last["message"].startswith(sentence)


def test_a_batch_says_it_on_the_terminal_in_its_report_and_in_its_table_and_keeps_the_traceback_for_itself(
    failing, host, tmp_path
):
    file, sentence = failing
    out = tmp_path / "out"
    told = invoke("batch", "run", file, "--matrix", "1.color=1", "--host", host.url, "--out", out)
    assert told.exit_code != 0
    assert sentence in bare(told.stderr)
    assert sentence in bare(invoke("batch", "status", out).stderr)
    assert sentence in bare((out / "report.html").read_text("utf-8"))
    assert invoke("batch", "export", out, "--out", tmp_path / "rows.csv").exit_code == 0
    assert sentence in bare((tmp_path / "rows.csv").read_text("utf-8-sig"))
    with sqlite3.connect(out / "batch.sqlite3") as state:
        ((detail,),) = state.execute("SELECT detail FROM rows")
    assert ".py" in detail
