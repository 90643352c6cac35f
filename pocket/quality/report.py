"""The report: every figure of the model card, with what was wanted and the misses.

It works through the measurements in order and keeps every picture, so a run that was interrupted goes on where it
stopped. People are those of held_out.json, which no training set holds.
"""

from __future__ import annotations

import itertools
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from .. import measures
from ..assemble import CONTROLNETS
from ..graphs import round_trip, run, text_to_image
from . import gaze, looks
from .pictures import FRAMINGS, HostPictures
from .pose import BODIES, body_joints, eye_errors, posed
from .words import colours, tone_words

WANTED = {
    "VAE round trip, PSNR (dB)": 35.0,
    "VAE round trip, SFace cosine": 0.88,
    "exactly one face at YuNet >= .8": 1.0,
    "gradient energy of faces against renders": 0.80,
    "hair, garment, background and tone words followed": 0.92,
    "eyes of one colour": 0.95,
    "eyes of one gaze": 0.95,
    "hair without holes": 0.95,
    "corners of the mouth follow the expression": 0.85,
    "OpenPose: median eye error, fraction of the width": 0.015,
    "OpenPose: shoulders, elbows and wrists, PCK@0.1 by MediaPipe": 0.95,
    "mean SFace cosine between samples": 0.45,
    "seconds for one picture with ControlNet": 7.0,
}
MESHED = ["eyes of one gaze", "corners of the mouth follow the expression"]
"""What is measured on the face mesh."""
AT_MOST = {name for name in WANTED if name.startswith(("OpenPose: median", "mean SFace", "seconds"))}
FoundFaces = Sequence[list]


class ModelReport:
    """Measurements against one running host.

    `judge` is the interpreter of an environment with mediapipe (body_landmarks.py, face_landmarks.py), `training` the
    faces.safetensors that the training phase `neighbours` left; without them the rows that need them stay empty.
    """

    def __init__(self, pictures: HostPictures, models: Path, judge: Path | None = None, training: Path | None = None):
        self.pictures, self.models, self.judge, self.training = pictures, models, judge, training
        self.rows: dict[str, dict[str, Any]] = {}
        self.nearest: dict[str, Any] = {}

    def measure(self, say: Callable[[str], None] = print) -> dict[str, Any]:
        """Take every measurement and write report.json and the sheets; returns the report."""
        begin = time.monotonic()
        self.people = self.pictures.people("render", FRAMINGS)
        say(f"{len(self.people)} held-out renders, {time.monotonic() - begin:.0f} s")
        for step in (self._timing, self._vae, self._text, self._pose, self._bodies, self._neighbours):
            step()
            self._write()
            say(f"{step.__name__.strip('_')}, {time.monotonic() - begin:.0f} s")
        return self._write()

    def _row(self, name: str, value: float | None, pictures: int, **more: Any) -> None:
        wanted = WANTED[name]
        reached = value is not None and (value <= wanted if name in AT_MOST else value >= wanted)
        self.rows[name] = {"value": value, "wanted": wanted, "reached": reached, "pictures": pictures} | more

    def _all(self, kind: str) -> list[np.ndarray]:
        return [self.pictures.open(kind, i) for i in range(len(self.people))]

    def _timing(self) -> None:
        Image.new("RGB", (256, 256)).save(self.pictures.inputs / "pocket-black.png")
        seconds = []
        for seed in (901, 902):
            graph = text_to_image([self.people[0]["caption"]], seed=seed, pose="pocket-black.png")
            begin = time.monotonic()
            run(self.pictures.url, graph, timeout=600)
            seconds.append(round(time.monotonic() - begin, 2))
        name = "seconds for one picture with ControlNet"
        self._row(name, seconds[-1], 1, first_with_loading=seconds[0], machine=platform.processor())

    def _vae(self) -> None:
        count = len(self.people)
        for i in range(count):
            Image.open(self.pictures.path("render", i)).save(self.pictures.inputs / f"pocket-{i}.png")
        self.pictures.make("vae", {i: round_trip([f"pocket-{i}.png"]) for i in range(count)})
        pairs = list(zip(self._all("render"), self._all("vae"), strict=True))
        decibels = [measures.psnr(*pair) for pair in pairs]
        self._row("VAE round trip, PSNR (dB)", _mean(decibels), count, worst=round(min(decibels), 2))
        faces = [tuple(map(measures.direction, pair)) for pair in pairs]
        cosines = {i: float(a @ b) for i, (a, b) in enumerate(faces) if a is not None and b is not None}
        groups = {
            framing: _mean([value for i, value in cosines.items() if self._framing(i) == framing])
            for framing in FRAMINGS
        }
        values = list(cosines.values())
        self._row(
            "VAE round trip, SFace cosine", _mean(values), len(values), worst=round(min(values), 3), by_framing=groups
        )
        self.pictures.sheet("vae", [x for pair in pairs[:24] for x in pair], 12)

    def _framing(self, index: int) -> str:
        return self.people[index]["attributes"]["framing"]

    def _text(self) -> None:
        count = len(self.people)
        graphs = {i: text_to_image([p["caption"]], seed=1000 + i) for i, p in enumerate(self.people)}
        self.pictures.make("text", graphs)
        pictures, renders = self._all("text"), self._all("render")
        seen, real = ([measures.found(x) for x in group] for group in (pictures, renders))
        one = [len(faces) == 1 for faces in seen]
        by_framing = {}
        for framing in FRAMINGS:
            mine = [good for i, good in enumerate(one) if self._framing(i) == framing]
            by_framing[framing] = f"{sum(mine)} of {len(mine)}"
        self._row(
            "exactly one face at YuNet >= .8",
            _mean(one),
            count,
            renders=_mean([len(faces) == 1 for faces in real]),
            misses=[i for i, good in enumerate(one) if not good],
            by_framing=by_framing,
        )
        self._sharpness(pictures, seen, renders, real)
        vectors = [v for v in map(measures.direction, pictures) if v is not None]
        cosines = [float(a @ b) for a, b in itertools.combinations(vectors, 2)]
        other = [v for v in map(measures.direction, renders) if v is not None]
        between = [float(a @ b) for a, b in itertools.combinations(other, 2)]
        self._row("mean SFace cosine between samples", _mean(cosines), len(vectors), renders=_mean(between))
        self._words(pictures, seen, renders, real)
        self._looks(pictures, seen, renders, real)
        self.pictures.sheet("text", pictures, 8)
        self.pictures.sheet("renders", renders, 8)

    def _sharpness(self, pictures: Sequence, seen: FoundFaces, renders: Sequence, real: FoundFaces) -> None:
        shares, by_framing = [], {}
        for framing in FRAMINGS:
            index = [i for i in range(len(self.people)) if self._framing(i) == framing]
            ours = [measures.gradient_energy(pictures[i], seen[i][0]) for i in index if seen[i]]
            theirs = [measures.gradient_energy(renders[i], real[i][0]) for i in index if real[i]]
            if ours and theirs:
                by_framing[framing] = round(float(np.mean(ours) / np.mean(theirs)), 3)
                shares += [by_framing[framing]] * len(ours)
        self._row("gradient energy of faces against renders", _mean(shares), len(shares), by_framing=by_framing)

    def _words(self, pictures: Sequence, seen: FoundFaces, renders: Sequence, real: FoundFaces) -> None:
        followed = colours(self.people, pictures, seen, renders, real)
        tone = tone_words(self.pictures, self.people)
        judged = [good for goods in followed.words.values() for good in goods] + list(tone.values())
        self._row(
            "hair, garment, background and tone words followed",
            _mean(judged),
            len(judged),
            words={name: _share(goods) for name, goods in (followed.words | {"tone": list(tone.values())}).items()},
            renders_judged_right={name: _share(goods) for name, goods in followed.judge.items()},
            tones_missed=[name for name, good in tone.items() if not good],
        )

    def _looks(self, pictures: Sequence, seen: FoundFaces, renders: Sequence, real: FoundFaces) -> None:
        """Judge eyes, hair and mouths; a picture counts where its render can be judged, and is judged right."""

        def judged(index: int, picture: np.ndarray, faces: list) -> dict[str, bool | None]:
            if not faces:
                return {}
            facts = self.people[index]["attributes"]
            apart = None if facts["glasses"] != "none" else looks.eyes_apart(picture, faces[0])
            bare = facts["hair"] in ("bald", "buzz", "afro", "curly", "short curly")
            holes = None if bare else looks.holes(picture, faces[0])
            return {
                "eyes of one colour": None if apart is None else apart <= looks.COLOUR_LIMIT,
                "hair without holes": None if holes is None else holes <= looks.HOLE_LIMIT,
            }

        groups = ((pictures, seen), (renders, real))
        ours, theirs = ([judged(i, *pair) for i, pair in enumerate(zip(*group, strict=True))] for group in groups)
        names = ["eyes of one colour", "hair without holes"]
        if self.judge is None:
            for name in MESHED:
                self._row(name, None, 0, note="needs --judge, an interpreter with mediapipe")
        else:
            names += MESHED
            for facts, kind, faces in ((ours, "text", seen), (theirs, "render", real)):
                self._meshed(self.judge, facts, kind, faces)
        for name in names:
            known = [facts[name] for facts in theirs if facts.get(name) is not None]
            goods = [
                bool(a[name]) for a, b in zip(ours, theirs, strict=True) if b.get(name) and a.get(name) is not None
            ]
            self._row(name, _mean(goods) if goods else None, len(goods), renders=_share([bool(k) for k in known]))

    def _meshed(self, judge: Path, facts: list[dict[str, bool | None]], kind: str, faces: FoundFaces) -> None:
        """Add to the facts what the face mesh says of each picture that has a face."""
        having = [i for i, found in enumerate(faces) if found]
        meshes = gaze.mesh(judge, [(self.pictures.path(kind, i), faces[i][0]) for i in having])
        for i, points in zip(having, meshes, strict=True):
            if points is not None:
                words = self.people[i]["attributes"]["expression"]
                shut = words in ("eyes closed", "winking")
                told = (None if shut else gaze.one_gaze(points), gaze.mood_followed(words, gaze.mouth_lift(points)))
                facts[i] |= dict(zip(MESHED, told, strict=True))

    def _untrained(self, name: str) -> bool:
        if trained(self.models / CONTROLNETS["openpose"]):
            return False
        self._row(name, None, 0, note="the OpenPose ControlNet is not trained: it adds nothing to the UNet")
        return True

    def _pose(self) -> None:
        name = "OpenPose: median eye error, fraction of the width"
        if not self._untrained(name):
            points = posed(self.pictures, "pose", self.people, 2000)
            errors, one = eye_errors(self.pictures, "pose", points)
            median = round(float(np.median(errors)), 4) if errors else None
            self._row(name, median, len(errors), one_face=_mean(one))

    def _bodies(self) -> None:
        name = "OpenPose: shoulders, elbows and wrists, PCK@0.1 by MediaPipe"
        if self.judge is None:
            self._row(name, None, 0, note="needs --judge, an interpreter with mediapipe")
        elif not self._untrained(name):
            people = self.pictures.people("bodies", BODIES)
            points = posed(self.pictures, "body", people, 3000)
            ours, theirs = (body_joints(self.pictures, kind, points, self.judge) for kind in ("body", "bodies"))
            hits, known = ([hit for joints in group for hit in joints or []] for group in (ours, theirs))
            bodies = sum(joints is not None for joints in ours)
            self._row(name, _mean(hits) if hits else None, bodies, joints=len(hits), renders_judged_alike=_mean(known))

    def _neighbours(self) -> None:
        """How alike each sample is to the most alike of the training faces; held-out renders for comparison."""
        if self.training is None:
            return
        from ..train.neighbours import STEP

        with safe_open(self.training, "np") as file:
            known = file.get_tensor("vectors").astype(np.float32) * STEP
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        for kind, title in (("text", "samples"), ("render", "held-out renders")):
            vectors = [v for v in map(measures.direction, self._all(kind)) if v is not None]
            best = [float((known @ vector).max()) for vector in vectors]
            self.nearest[title] = {"median": round(float(np.median(best)), 3), "most": round(max(best), 3)}
        self.nearest["training faces"] = len(known)

    def _write(self) -> dict[str, Any]:
        report = {"device": f"CPU, {platform.machine()}", "sampling": "12 steps, dpmpp_2m, karras, CFG 3.5, 256 px"}
        report |= {"rows": self.rows, "people": len(self.people), "SFace cosine to the nearest": self.nearest}
        text = json.dumps(report, indent=1, ensure_ascii=False)
        (self.pictures.folder / "report.json").write_text(text, "utf-8")
        return report


def trained(controlnet: Path) -> bool:
    """Return whether a ControlNet adds anything: one whose outputs are all zero has not been trained."""
    with safe_open(controlnet, "np") as file:
        return any(np.any(file.get_tensor(key)) for key in file.keys() if key.startswith("zero_convs"))  # noqa: SIM118


def _mean(values: Sequence) -> float:
    return round(float(np.mean(values)), 4)


def _share(goods: Sequence[bool]) -> str:
    return f"{sum(goods)} of {len(goods)}"
