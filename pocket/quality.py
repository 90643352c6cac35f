"""What the shipped pocket models can do: every figure measured through a real ComfyUI on the CPU, with the pictures.

`report` works through the measurements in order and keeps every picture in its folder, so a run that was interrupted
goes on where it stopped. People are those of held_out.json, which no training set holds.
"""

from __future__ import annotations

import itertools
import json
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from ..portrait import poses, tones
from . import measures
from .assemble import CONTROLNETS
from .graphs import Graph, round_trip, run, text_to_image

SEED = 77
FRAMINGS = {"close-up": 0.2, "head and shoulders": 0.5, "half body": 0.3}
BODIES = {"half body": 0.7, "full body": 0.3}
JOINTS = {2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15}
"""Shoulders, elbows and wrists: number among our key points -> among MediaPipe's landmarks."""
NEAR = 0.1
"""A joint counts within this share of the person's larger side (PCK, Yang and Ramanan 2013)."""
PART = 8
WANTED = {
    "VAE round trip, PSNR (dB)": 34.0,
    "VAE round trip, SFace cosine": 0.90,
    "exactly one face at YuNet >= .8": 0.98,
    "gradient energy of faces against renders": 0.80,
    "hair, garment, background and tone words followed": 0.85,
    "OpenPose: median eye error, fraction of the width": 0.03,
    "OpenPose: shoulders, elbows and wrists, PCK@0.1 by MediaPipe": 0.75,
    "mean SFace cosine between samples": 0.52,
    "seconds for one picture with ControlNet": 12.0,
}
AT_MOST = {name for name in WANTED if name.startswith(("OpenPose: median", "mean SFace", "seconds"))}


class Report:
    """Measurements against one running host; pictures and figures lie in `folder`.

    `judge` is the interpreter of an environment with mediapipe (pocket/body_landmarks.py), `training` the
    faces.safetensors that the training stage `neighbours` left; without them the rows that need them stay empty.
    """

    def __init__(
        self,
        url: str,
        inputs: Path,
        models: Path,
        folder: Path,
        count: int = 64,
        judge: Path | None = None,
        training: Path | None = None,
    ):
        self.url, self.inputs, self.models, self.folder, self.count = url, inputs, models, folder, count
        self.judge, self.training = judge, training
        self.rows: dict[str, dict[str, Any]] = {}
        self.nearest: dict[str, Any] = {}
        (folder / "pictures").mkdir(parents=True, exist_ok=True)

    def measure(self, say: Callable[[str], None] = print) -> dict[str, Any]:
        """Take every measurement and write report.json and the sheets; returns the report."""
        begin = time.monotonic()
        self.people = self._people("render", FRAMINGS)
        say(f"{len(self.people)} held-out renders, {time.monotonic() - begin:.0f} s")
        for step in (self._timing, self._vae, self._text, self._tones, self._pose, self._bodies, self._neighbours):
            step()
            self._write()
            say(f"{step.__name__.strip('_')}, {time.monotonic() - begin:.0f} s")
        return self._write()

    # ------------------------------------------------------------ pictures

    def _path(self, kind: str, index: int) -> Path:
        return self.folder / "pictures" / f"{kind}-{index:02d}.png"

    def _open(self, kind: str, index: int) -> np.ndarray:
        return np.asarray(Image.open(self._path(kind, index)).convert("RGB"))

    def _people(self, kind: str, framings: dict[str, float]) -> list[dict[str, Any]]:
        """Render one picture of each of the first `count` held-out identities, or read what an earlier run rendered."""
        from .people.dataset import render_shots, shot_for
        from .people.identity import held_out

        facts = self.folder / f"{kind}.json"
        known = json.loads(facts.read_text("utf-8")) if facts.exists() else []
        seeds = held_out()["measurement"][: self.count]
        for start in range(len(known), len(seeds), 4):
            part = seeds[start : start + 4]
            draws = [np.random.Generator(np.random.Philox(key=[SEED, who])) for who in part]
            shots = [shot_for(who, rng, framings) for who, rng in zip(part, draws, strict=True)]
            batch = render_shots(shots, "cpu", 256, draws[0])
            for i, who in enumerate(part):
                picture = batch.images[i].permute(1, 2, 0).numpy()
                Image.fromarray(picture).save(self._path(kind, start + i))
                entry = {"identity": who, "caption": batch.captions[i], "keypoints": batch.keypoints[i].tolist()}
                known.append(entry | {"attributes": batch.attributes[i]})
            facts.write_text(json.dumps(known), "utf-8")
        return known[: self.count]

    def _make(self, kind: str, graphs: dict[int, Graph]) -> None:
        """Run the graphs (index -> a graph of one picture) whose pictures are not there yet, PART at a time."""
        missing = [index for index in graphs if not self._path(kind, index).exists()]
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            joint: Graph = {}
            for index in part:
                joint |= _renamed(graphs[index], index)
            for name, picture in run(self.url, joint, timeout=1800).items():
                Image.fromarray(picture).save(self._path(kind, int(name.removeprefix("save"))))

    # ------------------------------------------------------------ rows

    def _row(self, name: str, value: float | None, pictures: int, **more: Any) -> None:
        wanted = WANTED[name]
        reached = value is not None and (value <= wanted if name in AT_MOST else value >= wanted)
        self.rows[name] = {"value": value, "wanted": wanted, "reached": reached, "pictures": pictures} | more

    def _timing(self) -> None:
        Image.new("RGB", (256, 256)).save(self.inputs / "pocket-black.png")
        seconds = []
        for seed in (901, 902):
            graph = text_to_image([self.people[0]["caption"]], seed=seed, pose="pocket-black.png")
            begin = time.monotonic()
            run(self.url, graph, timeout=600)
            seconds.append(round(time.monotonic() - begin, 2))
        name = "seconds for one picture with ControlNet"
        self._row(name, seconds[-1], 1, first_with_loading=seconds[0], machine=platform.processor())

    def _vae(self) -> None:
        count = len(self.people)
        for i in range(count):
            Image.open(self._path("render", i)).save(self.inputs / f"pocket-{i}.png")
        self._make("vae", {i: round_trip([f"pocket-{i}.png"]) for i in range(count)})
        pairs = [(self._open("render", i), self._open("vae", i)) for i in range(count)]
        decibels = [measures.psnr(*pair) for pair in pairs]
        self._row("VAE round trip, PSNR (dB)", _mean(decibels), count, worst=round(min(decibels), 2))
        faces = [tuple(map(measures.direction, pair)) for pair in pairs]
        cosines = [float(a @ b) for a, b in faces if a is not None and b is not None]
        self._row("VAE round trip, SFace cosine", _mean(cosines), len(cosines), worst=round(min(cosines), 3))
        self._sheet("vae", [x for pair in pairs[:24] for x in pair], 12)

    def _text(self) -> None:
        count = len(self.people)
        self._make("text", {i: text_to_image([p["caption"]], seed=1000 + i) for i, p in enumerate(self.people)})
        pictures = [self._open("text", i) for i in range(count)]
        renders = [self._open("render", i) for i in range(count)]
        seen, real = ([measures.found(x) for x in group] for group in (pictures, renders))
        one = [len(faces) == 1 for faces in seen]
        self._row(
            "exactly one face at YuNet >= .8",
            _mean(one),
            count,
            renders=_mean([len(faces) == 1 for faces in real]),
            misses=[i for i, good in enumerate(one) if not good],
            by_framing=self._by_framing(one),
        )
        self._sharpness(pictures, seen, renders, real)
        vectors = [v for v in map(measures.direction, pictures) if v is not None]
        cosines = [float(a @ b) for a, b in itertools.combinations(vectors, 2)]
        other = [v for v in map(measures.direction, renders) if v is not None]
        between = [float(a @ b) for a, b in itertools.combinations(other, 2)]
        self._row("mean SFace cosine between samples", _mean(cosines), len(vectors), renders=_mean(between))
        self._words(pictures, seen, renders, real)
        self._sheet("text", pictures, 8)
        self._sheet("renders", renders, 8)

    def _by_framing(self, values: list[bool]) -> dict[str, str]:
        out = {}
        for framing in FRAMINGS:
            mine = [v for v, p in zip(values, self.people, strict=True) if p["attributes"]["framing"] == framing]
            out[framing] = f"{sum(mine)} of {len(mine)}"
        return out

    def _sharpness(self, pictures: list, seen: list, renders: list, real: list) -> None:
        shares, used, by_framing = [], 0, {}
        for framing in FRAMINGS:
            index = [i for i, p in enumerate(self.people) if p["attributes"]["framing"] == framing]
            ours = [measures.gradient_energy(pictures[i], seen[i][0]) for i in index if seen[i]]
            theirs = [measures.gradient_energy(renders[i], real[i][0]) for i in index if real[i]]
            if ours and theirs:
                by_framing[framing] = round(float(np.mean(ours) / np.mean(theirs)), 3)
                shares += [by_framing[framing]] * len(ours)
                used += len(ours)
        self._row("gradient energy of faces against renders", _mean(shares), used, by_framing=by_framing)

    def _words(self, pictures: list, seen: list, renders: list, real: list) -> None:
        """Colour words: the nearest colour among the renders' own, region by region, never a render against itself.

        A garment under an open jacket, hair that is not there and light that is not neutral are not judged.
        """
        keys = {"hair": "hair_colour", "garment": "garment_colour", "background": "background_colour"}
        judged: dict[str, list[bool]] = {name: [] for name in keys}
        ceiling: dict[str, list[bool]] = {name: [] for name in keys}
        known = [measures.regions(x, faces[0]) if faces else {} for x, faces in zip(renders, real, strict=True)]
        for i, person in enumerate(self.people):
            facts = person["attributes"]
            made = measures.regions(pictures[i], seen[i][0]) if seen[i] else {}
            for region, key in keys.items():
                plain = facts["background"] in ("plain", "gradient") and facts["pattern"] == "plain"
                if region == "hair" and facts["hair"] in ("bald", "buzz"):
                    continue
                if region != "hair" and not plain:
                    continue
                centres: dict[str, list[np.ndarray]] = {}
                for j, other in enumerate(self.people):
                    if j != i and region in known[j]:
                        centres.setdefault(other["attributes"][key], []).append(known[j][region])
                if facts[key] not in centres:
                    continue
                judged[region].append(region in made and measures.nearest_word(made[region], centres) == facts[key])
                ceiling[region].append(
                    region in known[i] and measures.nearest_word(known[i][region], centres) == facts[key]
                )
        self.words = {name: f"{sum(values)} of {len(values)}" for name, values in judged.items()}
        self.ceiling = {name: f"{sum(values)} of {len(values)}" for name, values in ceiling.items()}
        self.judged = [value for values in judged.values() for value in values]

    def _tones(self) -> None:
        """The same seed with and without a tone's words: the change must go where the tone's LUT would take it."""
        names = tones.names()[: self.count]
        graphs = {}
        for i, name in enumerate(names):
            caption = f"{tones.load(name).words}, {self.people[i % len(self.people)]['caption']}"
            graphs[i] = text_to_image([caption], seed=1000 + i % len(self.people))
        self._make("tone", graphs)
        followed = {}
        for i, name in enumerate(names):
            before, after = self._open("text", i % len(self.people)), self._open("tone", i)
            graded = (before[None] / 255).astype(np.float32)
            wish = measures.lab_shift(before, _graded(graded, name))
            change = measures.lab_shift(before, after)
            cosine = float(wish @ change / max(np.linalg.norm(wish) * np.linalg.norm(change), 1e-6))
            followed[name] = cosine >= 0.5 and np.linalg.norm(change) >= 0.3 * np.linalg.norm(wish)
        judged = self.judged + list(followed.values())
        self._row(
            "hair, garment, background and tone words followed",
            _mean(judged),
            len(judged),
            words=self.words | {"tone": f"{sum(followed.values())} of {len(followed)}"},
            renders_judged_alike=self.ceiling,
            tones_missed=[name for name, good in followed.items() if not good],
        )
        self._sheet("tones", [self._open("tone", i) for i in range(len(names))], 5)

    def _posed(self, kind: str, people: list[dict[str, Any]], seed: int) -> np.ndarray:
        """Make one picture of each person in the pose of its render; returns the key points [N, 60, 3]."""
        points = np.array([person["keypoints"] for person in people])
        maps = poses.draw(points[:, None], 256, 256)
        graphs = {}
        for i, person in enumerate(people):
            Image.fromarray(maps[i]).save(self.inputs / f"pocket-{kind}-{i}.png")
            graphs[i] = text_to_image([person["caption"]], seed=seed + i, pose=f"pocket-{kind}-{i}.png")
        self._make(kind, graphs)
        self._sheet(kind, [x for i in range(min(32, len(maps))) for x in (maps[i], self._open(kind, i))], 8)
        return points

    def _pose(self) -> None:
        name = "OpenPose: median eye error, fraction of the width"
        if not trained(self.models / CONTROLNETS["openpose"]):
            self._row(name, None, 0, note="the OpenPose ControlNet is not trained: it adds nothing to the UNet")
            return
        points = self._posed("pose", self.people, 2000)
        errors, one = [], []
        for i in range(len(self.people)):
            faces = measures.found(self._open("pose", i))
            one.append(len(faces) == 1)
            if faces and (points[i, [14, 15], 2] > 0).all():
                eyes = np.array(faces[0].landmarks[:2])
                errors.append(float(np.linalg.norm(eyes - points[i, [14, 15], :2], axis=1).mean() / 256))
        self._row(name, round(float(np.median(errors)), 4) if errors else None, len(errors), one_face=_mean(one))

    def _bodies(self) -> None:
        name = "OpenPose: shoulders, elbows and wrists, PCK@0.1 by MediaPipe"
        if self.judge is None or not trained(self.models / CONTROLNETS["openpose"]):
            self._row(name, None, 0, note="needs a trained ControlNet and --judge, an interpreter with mediapipe")
            return
        people = self._people("bodies", BODIES)
        points = self._posed("body", people, 3000)
        paths = [str(self._path(kind, i)) for kind in ("body", "bodies") for i in range(len(people))]
        script = Path(__file__).with_name("body_landmarks.py")
        answer = subprocess.run([self.judge, script, *paths], capture_output=True, text=True, check=True).stdout
        seen = json.loads(answer)
        ours, theirs = ([_joints(points[i], seen[k * len(people) + i]) for i in range(len(people))] for k in (0, 1))
        hits = [hit for joints in ours for hit in joints or []]
        self._row(
            name,
            _mean(hits) if hits else None,
            sum(joints is not None for joints in ours),
            joints=len(hits),
            renders_judged_alike=_mean([hit for joints in theirs for hit in joints or []]),
        )

    def _neighbours(self) -> None:
        """How alike each sample is to the most alike of the training faces; held-out renders for comparison."""
        if self.training is None:
            return
        from .train.neighbours import STEP

        with safe_open(self.training, "np") as file:
            known = file.get_tensor("vectors").astype(np.float32) * STEP
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        nearest = {}
        for kind in ("text", "render"):
            vectors = [measures.direction(self._open(kind, i)) for i in range(len(self.people))]
            best = [float((known @ vector).max()) for vector in vectors if vector is not None]
            nearest[kind] = {"median": round(float(np.median(best)), 3), "most": round(max(best), 3)}
        self.nearest = {"training faces": len(known), "samples": nearest["text"], "held-out renders": nearest["render"]}

    # ------------------------------------------------------------ files

    def _sheet(self, name: str, pictures: list[np.ndarray], columns: int) -> None:
        rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
        whole = np.concatenate([row for row in rows if row.shape == rows[0].shape])
        Image.fromarray(whole).save(self.folder / f"{name}.jpg", quality=85)

    def _write(self) -> dict[str, Any]:
        report = {"device": f"CPU, {platform.machine()}", "sampling": "12 steps, dpmpp_2m, karras, CFG 3.5, 256 px"}
        report |= {"rows": self.rows, "people": len(self.people), "SFace cosine to the nearest": self.nearest}
        (self.folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")
        return report


def trained(controlnet: Path) -> bool:
    """Return whether a ControlNet adds anything: one whose outputs are all zero has not been trained."""
    with safe_open(controlnet, "np") as file:
        return any(np.any(file.get_tensor(key)) for key in file.keys() if key.startswith("zero_convs"))  # noqa: SIM118


def _joints(points: np.ndarray, landmarks: list[list[float]] | None) -> list[bool] | None:
    """Return for each joint of JOINTS that the map shows whether the detector saw it near, or None without a body."""
    if landmarks is None:
        return None
    shown = points[points[:, 2] > 0, :2]
    reach = NEAR * float(np.ptp(shown, axis=0).max())
    inside = [j for j in JOINTS if points[j, 2] > 0 and (points[j, :2] >= 0).all() and (points[j, :2] < 256).all()]
    return [float(np.linalg.norm(np.array(landmarks[JOINTS[j]][:2]) - points[j, :2])) <= reach for j in inside]


def _renamed(graph: Graph, index: int) -> Graph:
    """Return a one-picture graph with its per-picture nodes renumbered; shared loaders keep their names."""
    names = {name: name[:-1] + str(index) for name in graph if name.endswith("0")}
    if "pose" in graph:
        names["pose"] = f"pose{index}"

    def moved(value: Any) -> Any:
        return [names.get(value[0], value[0]), value[1]] if isinstance(value, list) else value

    return {
        names.get(name, name): node | {"inputs": {key: moved(value) for key, value in node["inputs"].items()}}
        for name, node in graph.items()
    }


def _graded(picture: np.ndarray, name: str) -> np.ndarray:
    import torch

    graded = tones.apply(torch.from_numpy(picture), tones.load(name).protected_lut())
    return (graded[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def _mean(values: list) -> float:
    return round(float(np.mean(values)), 4)
