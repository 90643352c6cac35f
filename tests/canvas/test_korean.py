"""What our nodes say, in Korean: every sentence that Python makes is known to web/js/korean.js and seen on the node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from portrait_studio.portrait import coverage, guard, identity, photos, report
from portrait_studio.portrait.kept import LikenessKept
from portrait_studio.portrait.likeness.report import LikenessReport, NearestPhoto, PictureLikeness
from portrait_studio.portrait.report import Limits
from portrait_studio.portrait.restore.networks import known
from portrait_studio.portrait.restore.restoring import FaceRestored, Restored, doubts
from portrait_studio.trainer.judge import CheckpointScore
from portrait_studio.trainer.progress import TrainingProgress

from ..workflows.shelf import ROOT
from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

SUBJECTS = ROOT / "pocket" / "subjects"
KOREAN = re.compile("[가-힣]")
FAULTS: dict[str, float] = {"min_face": 5000, "max_yaw": -1, "max_roll": -1, "min_sharpness": 9}
FAULTS |= {"min_brightest": 2, "max_blown": -1}

IN_KOREAN = """(async lines => {
  const files = await (await fetch("/extensions")).json();
  const { inKorean } = await import(files.find(one => one.endsWith("/js/korean.js")));
  return JSON.stringify(lines.map(inKorean));
})(%s)"""
HEARD = """(async (kind, text) => {
  const { api } = await import("/scripts/api.js");
  const node = app.graph.nodes.find(one => one.type === kind);
  await app.extensionManager.setting.set("Comfy.Locale", "ko");
  api.dispatchEvent(new CustomEvent("portrait_studio.said", { detail: { node: String(node.id), text } }));
  const box = node.widgets.find(one => one.name === "portrait_studio_said").element;
  return JSON.stringify([...box.children].map(line => line.textContent));
})(%s, %s)"""


@pytest.fixture(scope="module")
def canvas(host) -> Iterator[Canvas]:
    with on_canvas(host.url, "nothing was read off a node") as opened_canvas:
        yield opened_canvas
        opened_canvas.evaluate("app.extensionManager.setting.set('Comfy.Locale', 'en')")


def of_the_guard() -> list[str]:
    """A sentence for every way that a stage can end."""
    said = []
    face = guard.Face(
        (12.0, 8.0, 20.0, 24.0), ((17.0, 17.0), (27.0, 17.0), (22.0, 22.0), (18.0, 27.0), (26.0, 27.0)), 1
    )
    for before, after in ((0.8, 0.79), (0.8, 0.5), (0.8, None), (None, 0.8)):
        for falls in (0.3, 3.0):

            def look(picture: torch.Tensor, ends=(before, after), falls=falls) -> guard.PersonSeen:
                share = float(picture[20, 20, 0])
                if share in (0.0, 1.0):
                    return guard.PersonSeen(None if ends[int(share)] is None else face, ends[int(share)])
                return guard.PersonSeen(face, 0.8 - falls * share)

            said.append(guard.guard(torch.zeros(50, 50, 3), torch.ones(50, 50, 3), look, 0.1)[1].sentence)
    return said


def of_the_report() -> list[str]:
    """Every reason to leave a photo out, and what is missing then."""
    nora, henry = (photos.read(SUBJECTS / name / f"{name}-01.jpg") for name in ("nora", "henry"))
    person = identity.embed_largest([nora])[0]
    limits = [replace(Limits(), **{name: value}) for name, value in FAULTS.items()]
    told = [report.judge([nora], ["a.jpg"], each) for each in limits]
    told.append(report.judge([henry, nora[:40, :40]], ["a.jpg", "b.jpg"], person=person))
    told.append(report.judge([nora, nora, nora, henry], list("abcd"), Limits(same_person=0.67)))
    reasons = [f"{one.name}: {one.reason}" for each in told for one in each.verdicts if not one.accepted]
    return [*reasons, *coverage.missing([])]


def of_the_likeness() -> list[str]:
    copy = PictureLikeness(0.9, "in", NearestPhoto(0, 0.99, 0.99, 0.9), copy=True)
    told = LikenessReport((copy,), "sface", photos=("a photo.jpg",))
    return [*told.warnings, *told.sentence().splitlines(), *LikenessReport((), "sface").sentence().splitlines()]


def of_the_restoration() -> list[str]:
    """What is said of restored faces, for every licence."""
    face = guard.Face((0.0, 0.0, 900.0, 900.0), ((300.0, 400.0),) * 5, 1)
    done = Restored(torch.zeros(1, 8, 8, 3), torch.zeros(1, 8, 8), (FaceRestored(0, face, 1200.0),))
    reports = [LikenessKept(()), LikenessKept((0.9,)), LikenessKept((0.9,), 0.8, 0.6)]
    said = [f"2 faces restored by GFPGAN{one.words}" for one in reports]
    for network in known().values():
        said += [network.sentence, *doubts(done, network, reports[-1])]
    return [*said, "nothing to do"]


def of_the_training() -> list[str]:
    """What is said on the way, as it comes."""
    said: list[str] = []
    bar = type("Bar", (), {"update_absolute": lambda self, *_: None})()
    seconds = iter(range(0, 10**6, 1000))
    progress = TrainingProgress(lambda text, **_: said.extend(text.splitlines()), bar, lambda: float(next(seconds)))
    progress.photo(3, 12)
    progress.phase("preparing the model")
    judged = "the start", "what was learnt so far", "a fusion of the best checkpoints", "the finalists"
    for what in (*judged, "what the reward has done"):
        progress.phase(f"judging {what}: drawing 4 portraits")
        progress.drawing(1, 2)
        progress.judged(CheckpointScore(len(progress.scores) * 60, (0.5,), (True,)))
    for step in (1, 2, 100):
        progress.step(step, 100, 0.1)
    progress.phase("tuning by reward")
    progress.drawing(1, 2)
    progress.phase("tuning by reward: drawing what it begins with")
    # As trainer/run.py and nodes/training.py have them.
    left_out = "The tuning by reward is left out"
    said += [
        f"{left_out}: by AuraFace the likeness went from 0.612 to 0.598.",
        f"{left_out}: the faces of the photos are not known.",
        "The tuning by reward broke off at step 3: the reward or its gradient is no number. The LoRA from before it is "
        "kept.",
        "There is too little memory for the tuning by reward. The LoRA from before it is kept.",
        "tuned by reward for 24 steps",
    ]
    return said


def test_every_sentence_that_is_made_is_known_in_korean(canvas):
    opened(canvas, "photo-report")
    lines = list(
        dict.fromkeys(
            [*of_the_guard(), *of_the_report(), *of_the_likeness(), *of_the_restoration(), *of_the_training()]
        )
    )
    assert len(lines) > 30
    korean = json.loads(canvas.evaluate(IN_KOREAN % json.dumps(lines)))
    assert [line for line, said in zip(lines, korean, strict=True) if not KOREAN.search(said)] == []
    numbers = re.compile(r"\d+(?:\.\d+)?")
    for line, said in zip(lines, korean, strict=True):
        assert sorted(numbers.findall(said)) == sorted(numbers.findall(line)), (line, said)


def test_what_nobody_knows_stays_as_it_is(canvas):
    opened(canvas, "photo-report")
    lines = ["a.jpg: something else", "nothing of the kind"]
    assert json.loads(canvas.evaluate(IN_KOREAN % json.dumps(lines))) == lines


def test_a_warning_on_a_node_is_korean_where_the_artist_is(canvas):
    opened(canvas, "photo-report")
    text = "Warning: Picture 1 is a copy of the training photo a.jpg.\nlikeness 0.712"
    said = json.loads(canvas.evaluate(HEARD % (json.dumps("PortraitPhotoReport"), json.dumps(text))))
    assert said == ["⚠ 그림 1은(는) 학습 사진 a.jpg의 복사본입니다.", "닮음 0.712"]
