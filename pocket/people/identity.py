"""Who a synthetic person is: a seed gives the shape of face and body, skin, eyes, hair, brows, beard and glasses.

Local changes of the face are drawn close to the average, nearly symmetric, and then limited jointly (a far point in
190 dimensions is a caricature even when each coordinate is modest): an average face is a pleasant one, and people
still differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .hair import styles
from .materials import linear

FACE = ("cheek", "chin", "ear", "eye", "eyebrows", "forehead", "head", "mouth", "nose", "neck")
SKIP = {
    "head-trans-forward", "head-trans-up", "head-trans-out", "head-angle-out", "head-age-incr", "mouth-trans-out",
    "mouth-trans-forward", "mouth-dimples-out", "nose-trans-out", "nose-septumangle-incr",
    "nose-compression-uncompress",
    "neck-trans-out", "neck-trans-forward", "neck-trans-up", "eye-push1-out", "eye-push2-out", "ear-wing-incr",
    "eye-scale-incr",
    "eye-height1-incr", "eye-height3-incr", "chin-cleft-incr", "ear-shape-triangle", "eye-trans-up",
}  # fmt: skip
SPREAD, ASYMMETRY, CAREFUL = 0.38, 0.010, 0.5
JOINT_LIMIT, SINGLE_LIMIT = 0.28, 0.60
"""The most that a face's local changes may be: their root mean square, and each of them."""
AVERAGE = {
    "ear-wing-incr": -0.35, "ear-scale-incr": -0.20, "eye-scale-incr": 0.34, "mouth-angles-up": 0.12,
    "nose-scale-horiz-incr": -0.12,
}  # fmt: skip
"""Where the average is moved to: MakeHuman's has protruding ears and small eyes."""
CAREFUL_PARTS = (
    "head",
    "neck",
    "eye-bag",
    "mouth-laugh",
    "ear",
    "chin-jaw",
    "nose-point",
    "nose-nostrils",
    "mouth-scale",
)
SKIN = np.array(
    [(222, 182, 161), (217, 172, 148), (212, 163, 134), (199, 149, 116), (184, 133, 100), (166, 115, 83), (142, 96, 69),
     (121, 81, 60), (102, 69, 53), (86, 59, 47)]
)  # fmt: skip
HAIR_COLOURS = {
    "black": [(36, 29, 27), (48, 40, 37)],
    "dark brown": [(62, 43, 33), (74, 52, 39)],
    "brown": [(84, 57, 38), (100, 68, 44)],
    "blond": [(176, 136, 84), (200, 162, 106)],
    "red": [(134, 66, 38), (150, 80, 48)],
    "grey": [(112, 108, 104), (138, 134, 130)],
    "white": [(166, 162, 156), (186, 182, 176)],
}
IRIS = {
    "brown": (84, 50, 28),
    "hazel": (110, 82, 44),
    "green": (92, 110, 66),
    "blue": (88, 120, 148),
    "grey": (112, 128, 138),
}
FRAMES = [(0.012, 0.011, 0.011), (0.05, 0.022, 0.012), (0.25, 0.24, 0.23), (0.16, 0.10, 0.04)]
LIPS = [(168, 74, 78), (176, 58, 66), (188, 92, 92), (150, 52, 70), (196, 104, 98)]
STYLES = {
    "man": {
        "buzz": 2, "short crop": 4, "side part": 4, "slicked back": 2, "quiff": 3, "short curly": 2, "layered": 1,
        "bald": 1, "bun": 0.3, "long bob": 0.3,
    },
    "woman": {
        "long straight": 4, "long wavy": 4, "bob": 2.5, "long bob": 3, "layered": 2.5, "long fringe": 2,
        "ponytail": 2.5,
        "bun": 2, "curly": 2, "short crop": 0.7, "side part": 0.6,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """A synthetic person.

    shape: phenotypes (0..1) and local changes (-1..1) for `Body.mesh`; numbers: looks, by name, floats or tuples in
    linear colour; the rest are words for captions.
    """

    seed: int
    sex: str
    age: str
    skin: str
    hair: str
    hair_colour: str
    eyes: str
    beard: str
    glasses: str
    shape: dict[str, float]
    numbers: dict[str, float | tuple]


@lru_cache(maxsize=1)
def held_out() -> dict[str, list[int]]:
    """Seeds never yielded for training, fixed before any training: `measurement` and `subjects` (held_out.json)."""
    return json.loads((Path(__file__).parent / "held_out.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _labels() -> tuple[str, ...]:
    from . import rig

    return tuple(rig.load()[1]["local_changes"])


@lru_cache(maxsize=1)
def _face_labels() -> tuple[str, ...]:
    return tuple(name for name in _labels() if _key(name).startswith(FACE) and _key(name) not in SKIP)


def _key(label: str) -> str:
    return label[2:] if label[:2] in ("l-", "r-") else label


def _shape(rng: np.random.Generator, woman: bool, years: float, races: np.ndarray) -> dict[str, float]:
    shape = {
        "gender": rng.uniform(0.86, 1.0) if woman else rng.uniform(0.0, 0.12),
        "age": years,
        "muscle": rng.uniform(0.35, 0.65) if woman else rng.uniform(0.42, 0.72),
        "weight": float(np.clip(rng.normal(0.48, 0.09), 0.30, 0.70)),
        "height": float(np.clip(rng.normal(0.5, 0.08), 0.35, 0.65)),
        "proportions": rng.uniform(0.78, 1.0),
        "cupsize": rng.uniform(0.3, 0.6),
        "firmness": rng.uniform(0.5, 0.8),
        "african": float(races[0]),
        "asian": float(races[1]),
        "caucasian": float(races[2]),
    }
    labels = _face_labels()
    draw = np.clip(rng.normal(0, 1, len(labels)), -1.7, 1.7) * SPREAD
    wobble = rng.normal(0, ASYMMETRY, len(labels))
    value: dict[str, float] = {}
    for i, label in enumerate(labels):
        key = _key(label)
        careful = CAREFUL if key.startswith(CAREFUL_PARTS) else 1.0
        twin = "l-" + key
        value[label] = value[twin] + wobble[i] if label.startswith("r-") and twin in value else draw[i] * careful
    size = np.sqrt(np.mean(np.square(list(value.values()))))
    limit = min(1.0, JOINT_LIMIT / max(size, 1e-6))
    local = {k: v * limit for k, v in value.items()}
    for key, move in AVERAGE.items():
        for label in (key, "l-" + key, "r-" + key):
            if label in _labels():
                local[label] = local.get(label, 0.0) + move
    return shape | {k: float(np.clip(v, -SINGLE_LIMIT, SINGLE_LIMIT)) for k, v in local.items()}


def _pick(rng: np.random.Generator, table: dict[str, float]) -> str:
    weights = np.array(list(table.values()), float)
    return str(rng.choice(list(table), p=weights / weights.sum()))


def identity(seed: int, **wish: str) -> Identity:
    """The person of a seed; `wish` fixes sex, hair, hair_colour, skin, beard, glasses or age for a search by words."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 2026]))
    woman = (wish["sex"] == "woman") if "sex" in wish else bool(rng.random() < 0.5)
    races = rng.dirichlet([0.4] * 3)
    years = rng.uniform(0.52, 0.92) ** 1.0 if rng.random() < 0.35 else rng.uniform(0.52, 0.72)
    if "age" in wish:
        years = {"young": 0.56, "middle-aged": 0.74, "older": 0.90}[wish["age"]]
    shape = _shape(rng, woman, years, races)
    tone = float(np.clip(races @ np.array([7.0, 2.8, 1.3]) + rng.normal(0, 0.9), 0, 9))
    if "skin" in wish:
        tone = {"fair": 0.8, "light": 2.2, "tan": 4.2, "brown": 6.0, "dark": 7.8}[wish["skin"]] + rng.uniform(-0.4, 0.4)
    skin = np.array([np.interp(tone, np.arange(len(SKIN)), SKIN[:, k]) for k in range(3)])
    skin = skin * rng.uniform(0.96, 1.04) + np.array([1, -0.3, -0.8]) * rng.normal(0, 3.0)
    colours = {"black": 3.0, "dark brown": 3.0, "brown": 3.0, "blond": 2.6, "red": 1.2}
    if tone > 3.2 or races[2] < 0.4:
        colours = {"black": 6.0, "dark brown": 3.0, "brown": 0.7}
    if years > 0.80:
        colours |= {"grey": 6.0, "white": 4.0 if years > 0.86 else 0.5}
    colour = wish.get("hair_colour") or _pick(rng, colours)
    ends = np.array(HAIR_COLOURS[colour], float)
    hair_rgb = ends[0] + (ends[1] - ends[0]) * rng.random()
    table = dict(STYLES["woman" if woman else "man"])
    if races[0] > 0.5:
        table |= {"afro": 4.0, "buzz": 4.0 if not woman else 1.0, "curly": 3.0 if woman else 0.8, "short curly": 4.0}
    if not woman and years > 0.74:
        table |= {"bald": 4.0}
    style = wish.get("hair") or _pick(rng, table)
    beard = "none" if woman else _pick(rng, {"none": 5, "stubble": 3, "beard": 2.5, "moustache": 0.8})
    beard = wish.get("beard", beard)
    glasses = wish.get("glasses") or _pick(rng, {"none": 5.2, "glasses": 1})
    eyes = (
        _pick(rng, {"brown": 2.5, "hazel": 1, "green": 1, "blue": 2.2, "grey": 1})
        if races[2] > 0.55 and tone < 3.6
        else "brown"
    )
    numbers = _looks(rng, woman, style, beard, skin, hair_rgb, colour, eyes, tone)
    numbers |= {
        "glasses": float(glasses != "none"),
        "glasses_round": rng.random(),
        "glasses_rgb": FRAMES[int(rng.integers(len(FRAMES)))],
        "age": years,
    }
    return Identity(
        seed=seed,
        sex="woman" if woman else "man",
        age="young" if years < 0.64 else "middle-aged" if years < 0.82 else "older",
        skin=["fair", "light", "tan", "brown", "dark"][int(np.searchsorted([1.5, 3.2, 5.0, 6.9], tone))],
        hair=style,
        hair_colour=colour,
        eyes=eyes,
        beard=beard,
        glasses=glasses,
        shape=shape,
        numbers=numbers,
    )


def _looks(rng, woman, style, beard, skin, hair_rgb, colour, eyes, tone) -> dict[str, float | tuple]:
    hair = linear(hair_rgb)
    dark = (
        linear(np.minimum(hair_rgb * 0.75, (92, 74, 60))) if colour not in ("grey", "white") else linear(hair_rgb * 0.7)
    )
    s = styles()[style]
    side = float(rng.choice([-1, 1]))
    parted = s["parted"]
    numbers: dict[str, float | tuple] = {k: float(v) for k, v in s.items() if k not in ("words",)}
    stretch = rng.uniform(0.88, 1.12)
    numbers["length"] *= stretch
    numbers["fringe"] *= rng.uniform(0.9, 1.1)
    numbers["lift"] *= rng.uniform(0.8, 1.25)
    numbers |= {
        "skin": tuple(linear(np.clip(skin, 24, 246))),
        "iris": tuple(linear(np.array(IRIS[eyes]) * rng.uniform(0.85, 1.15))),
        "hair_rgb": tuple(hair),
        "brow_rgb": tuple(dark),
        "hair_part": side * (rng.uniform(0.010, 0.032) if parted else rng.uniform(0.0, 0.006)),
        "hair_front": rng.uniform(0.002, 0.013),
        "hair_temple": 0.0 if woman else rng.uniform(0.0, 0.009),
        "hair_sideline": rng.uniform(-0.014, 0.006),
        "hair_seed": float(rng.integers(1 << 16)),
        "brow_height": rng.uniform(-0.0015, 0.0025),
        "brow_width": rng.uniform(0.0028, 0.0042) if woman else rng.uniform(0.0036, 0.0056),
        "brow_arch": rng.uniform(0.002, 0.006) if woman else rng.uniform(0.0, 0.0035),
        "brow_density": rng.uniform(0.62, 0.92),
        "lip": rng.uniform(0.10, 0.60) if woman else rng.uniform(0.0, 0.15),
        "lip_rgb": tuple(linear(LIPS[int(rng.integers(len(LIPS)))])),
        "stubble": {"none": 0.0 if woman else rng.uniform(0, 0.14), "stubble": 0.45, "beard": 0.95, "moustache": 0.12}[
            beard
        ],
        "moustache": float(beard in ("moustache", "beard")),
        "freckles": rng.uniform(0.3, 0.8) if tone < 2.4 and rng.random() < 0.22 else 0.0,
        "blush": rng.uniform(0.5, 1.2),
        "lash": rng.uniform(0.75, 1.0) if woman else rng.uniform(0.35, 0.5),
        "tone": tone / 9,
        "skin_seed": float(rng.integers(1 << 16)),
    }
    return numbers
