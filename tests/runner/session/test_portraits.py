"""The portraits of a subject that is trained, from end to end, against a scripted host: nothing here takes time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait_studio.runner.batch import State, locked
from tests.hostile.scripted import OBJECT_INFO, Request, ScriptedHost
from tests.runner.command import invoke, one_sentence
from tests.runner.graph.sketch import Sketch

NORA = Path(__file__).parents[3] / "pocket" / "subjects" / "nora"


def info() -> dict:
    known = {
        kind: {**declared, "output_name": declared["output"], "display_name": kind}
        for kind, declared in OBJECT_INFO.items()
    }
    subjects = {"required": {"subject": ["COMBO", {"options": ["none", "Anna"]}]}}
    loader = {"input": subjects, "output": [], "output_name": [], "output_node": False, "python_module": "x"}
    return {**known, "PortraitLoadSubject": loader}


def graph(path: Path) -> Path:
    """A graph of one plain picture, whose parameters are those that a session needs."""
    sketch = Sketch(info())
    plain = sketch.add("EmptyImage", [64, 64, 1, 0], node_id=1)
    save = sketch.add("SaveImage", ["x"], node_id=9)
    sketch.link(plain, 0, save, "images")
    word = {"targets": [{"node": 9, "input": "filename_prefix"}], "type": "COMBO"}
    poses = ["head-front", "head-three-quarter-left", "half-waving"]
    sketch.extra["portrait_studio"] = {
        "name": "small",
        "version": "1.0",
        "parameters": {
            "subject": {**word, "type": "STRING", "default": "x"},
            "pose": {**word, "default": "head-front", "choices": poses},
            "tone": {**word, "default": "warm-film", "choices": ["warm-film", "black-and-white"]},
            "seed": {"targets": [{"node": 1, "input": "color"}], "type": "INT", "default": 0, "min": 0, "max": 4096},
        },
        "stages": [{"name": "small", "title": {"en": "Small", "ko": "작게"}, "image": 9}],
    }
    path.write_text(json.dumps(sketch.graph()), "utf-8")
    return path


class SubjectHost(ScriptedHost):
    """A host with the pocket checkpoint and the subject Anna."""

    def honest(self, request: Request) -> tuple[int, str, bytes]:
        if request.path.startswith("/models/"):
            return 200, "application/json", b'["pocket.safetensors"]'
        return super().honest(request)


@pytest.fixture
def host():
    with SubjectHost(object_info=info()) as host:
        yield host


@pytest.fixture
def session(host, tmp_path):
    small = graph(tmp_path / "small.json")

    def run(*arguments: object):
        return invoke("session", *arguments, "--graph", small, "--host", host.url, "--out", tmp_path / "out")

    return run


def test_poses_tones_and_seeds_are_made_and_shown_on_one_page(session, host, tmp_path):
    answer = session("--name", "Anna", "--trained", "--poses", "all", "--count", 2)
    assert answer.exit_code == 0, answer.stderr
    out = tmp_path / "out"
    assert len(host.posted) == 12
    with State.open(out / "portraits") as state:
        first = state.settings(1)["settings"]
        assert state.counts()["done"] == 12
    assert first == {"subject": "Anna", "pose": "head-front", "tone": "warm-film", "seed": 1}
    page = (out / "report.html").read_text("utf-8")
    assert page.count('class="cell"') == 12
    assert "portrait-studio rerun portraits/pictures/000012.png" in page
    assert (out / "contact_sheet.png").stat().st_size > 1000
    assert (out / "portraits" / "grid.html").exists()


def test_the_same_again_makes_nothing_twice_and_makes_what_is_missing(session, host, tmp_path):
    assert session("--name", "Anna", "--trained").exit_code == 0
    made = len(host.posted)
    (tmp_path / "out" / "contact_sheet.png").unlink()
    assert session("--name", "Anna", "--trained").exit_code == 0
    assert invoke("session", "--resume", tmp_path / "out", "--host", host.url).exit_code == 0
    assert len(host.posted) == made == 4
    assert (tmp_path / "out" / "contact_sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--name", "Ben", "--trained"), 1, "no subject 'Ben'"),
        ((NORA, "--name", "Anna", "--consent"), 1, "subject named 'Anna' on the host already"),
        ((NORA, "--name", "Ben"), 21, "nobody can be asked"),
        (("--name", "Anna"), 4, "No photos were named"),
        ((NORA, "--name", "///", "--consent"), 1, "cannot be named"),
        ((NORA, "--consent"), 1, "needs a name"),
        ((NORA, "--name", "Anna", "--trained", "--replace"), 1, "give one of them"),
        ((NORA, "--name", "Ben", "--consent", "--checkpoint", "gone.safetensors"), 1, "no checkpoint 'gone"),
        (("--name", "Anna", "--trained", "--poses", "sitting-on-the-moon"), 3, "cannot be used"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_queued(session, host, arguments, code, says):
    answer = session(*arguments)
    assert answer.exit_code == code, answer.stderr
    assert one_sentence(answer.stderr.splitlines(keepends=True)[-1])
    assert says in answer.stderr
    assert host.posted == []


def test_another_wish_in_the_same_folder_is_refused_with_what_differs(session):
    assert session("--name", "Anna", "--trained").exit_code == 0
    answer = session("--name", "Anna", "--trained", "--count", 3, "--tones", "all")
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr)
    assert "differs in tones, count" in answer.stderr


@pytest.mark.parametrize(("folder", "what"), [(".", "session in 'out'"), ("portraits", "batch in 'portraits'")])
def test_two_processes_do_not_work_in_one_folder(session, host, tmp_path, folder, what):
    place = tmp_path / "out" / folder
    place.mkdir(parents=True)
    with locked(place):
        answer = session("--name", "Anna", "--trained")
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr.splitlines(keepends=True)[-1])
    assert f"The {what} is being run by another process" in answer.stderr
    assert host.posted == []
    assert session("--name", "Anna", "--trained").exit_code == 0


def test_a_folder_without_a_session_cannot_be_gone_on_with(host, tmp_path):
    answer = invoke("session", "--resume", tmp_path, "--host", host.url)
    assert answer.exit_code == 1
    assert "There is no session" in answer.stderr


def test_a_damaged_state_is_said_to_be_damaged(session, host, tmp_path):
    assert session("--name", "Anna", "--trained").exit_code == 0
    (tmp_path / "out" / "session.sqlite3").write_bytes(b"SQLite format 3\0" + b"x" * 4000)
    answer = session("--name", "Anna", "--trained")
    assert answer.exit_code == 1
    assert "state of the session in 'out' is damaged" in answer.stderr
