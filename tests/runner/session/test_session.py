"""Sessions on the real host: stops before anything is trained, going on, and what is left in the folder."""

from __future__ import annotations

import json
import shutil

import pytest

from portrait_studio.portrait import subjects
from portrait_studio.runner.batch import State
from portrait_studio.runner.session import SessionState
from tests.runner.command import invoke, one_sentence

from .small import photos, small_graph

READY, TRAINED = "Session Test", "Leila Session"
# As short as a training can be: one step on small pictures, judged by one.
SHORT = (
    *("preset=pocket-quick", "steps=1", "resolution=128", "width=128", "height=128"),
    *("portraits=1", "sample_steps=1"),
)

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


@pytest.fixture
def store(comfyui):
    """The store of the host, which other tests use at the same time; the subjects of this file are removed."""
    root = comfyui / "models" / "portrait_studio" / "subjects"
    yield root
    for name in (READY, TRAINED, "Two People"):
        shutil.rmtree(root / name, ignore_errors=True)


@pytest.fixture
def ready(store):
    """A subject that is there already, with a card and nothing else."""
    subjects.save(subjects.Subject(READY, trigger="ohwx"), store, replace=True)
    return READY


@pytest.fixture
def session(host, client, tmp_path):
    """Run `portrait-studio session` with the small graph on the shared host."""
    graph = small_graph(client.object_info(), tmp_path / "small.json")

    def run(*arguments: object):
        given = ("--host", host.url, "--graph", graph, "--out", tmp_path / "out", "--consent")
        return invoke("session", *arguments, *given)

    return run


def test_portraits_of_a_ready_subject_are_made_ranked_and_shown(session, ready, tmp_path):
    answer = session("--name", ready, "--trained", "--poses", "head-front,half-waving", "--count", 2)
    assert answer.exit_code == 0, answer.stderr
    out = tmp_path / "out"
    with State.open(out / "portraits") as state:
        assert state.counts()["done"] == 8  # 2 poses, the 2 tones of the pocket checkpoint, 2 seeds
    assert (out / "contact_sheet.png").exists()
    page = (out / "report.html").read_text("utf-8")
    assert "portraits/pictures/000001.png" in page
    assert "half-waving" in page
    assert (out / "portraits" / "grid.html").exists()


def test_a_name_that_is_taken_stops_before_the_photos_are_uploaded(session, ready, host, tmp_path):
    before = set((host.input / "portrait-studio").glob("*")) if (host.input / "portrait-studio").exists() else set()
    answer = session(*photos("leila"), "--name", ready)
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr)
    assert "subject named 'Session Test' on the host already" in answer.stderr
    folder = host.input / "portrait-studio"
    assert (set(folder.glob("*")) if folder.exists() else set()) == before
    assert not (tmp_path / "out" / "session.sqlite3").exists()


def test_photos_of_two_people_stop_a_session_before_training(session, store, tmp_path):
    answer = session(*photos("nora"), *photos("marcus"), "--name", "Two People")
    assert answer.exit_code == 4, answer.stderr
    assert "show two people" in answer.stderr.splitlines()[-1]
    assert "marcus-0" in answer.stderr or "nora-0" in answer.stderr
    assert "Two People" not in subjects.names(store)
    again = session("--resume", tmp_path / "out")  # the verdicts are known: nothing is looked at again
    assert again.exit_code == 4


def test_a_session_trains_and_its_portraits_can_be_made_again(session, store, host, tmp_path):
    fast = [text for setting in SHORT for text in ("--training", setting)]
    answer = session(
        *photos("leila"), "--name", TRAINED, "--poses", "head-front", "--tones", "warm-film", *fast, "--json"
    )
    assert answer.exit_code == 0, answer.stderr
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.index("photos_judged") < kinds.index("subject_ready") < kinds.index("session_finished")
    out = tmp_path / "out"
    with SessionState.open(out) as state:
        assert state.fact("consent")
        assert state.fact("training")["pictures"]
    assert TRAINED in subjects.names(store)
    record = json.loads((out / "portraits" / "pictures" / "000001.png.json").read_text("utf-8"))
    assert record["parameters"]["subject"] == TRAINED
    again = invoke("rerun", out / "portraits/pictures/000001.png", "--host", host.url, "--out", tmp_path / "again")
    assert again.exit_code == 0, again.stderr
