"""Captions from facts: comma-separated phrases of a fixed vocabulary, in a fixed order, with dropout on request."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...portrait.poses.library import VIEWS
from .hair import styles
from .render import Shot


@lru_cache(maxsize=1)
def vocabulary() -> dict:
    """The words of captions.json."""
    return json.loads((Path(__file__).parent / "captions.json").read_text(encoding="utf-8"))


def attributes(shot: Shot) -> dict[str, str]:
    """What can be said of a shot, by name: the ground truth that captions and measurements share."""
    i, o, s = shot.identity, shot.outfit, shot.light
    return {
        "framing": shot.camera.framing,
        "sex": i.sex,
        "age": i.age,
        "skin": i.skin,
        "hair": i.hair,
        "hair_colour": i.hair_colour,
        "eyes": i.eyes,
        "beard": i.beard,
        "glasses": i.glasses,
        "garment": o.top if o.outer == "none" else o.outer,
        "garment_colour": o.top_colour if o.outer == "none" else o.outer_colour,
        "inner": o.top,
        "inner_colour": o.top_colour,
        "pattern": o.pattern,
        "bottom": o.bottom,
        "bottom_colour": o.bottom_colour,
        "light": s.kind,
        "warmth": s.warmth,
        "background": s.background,
        "background_colour": s.background_colour,
        "view": shot.words.get("view", "front"),
        "expression": shot.words.get("expression", "neutral expression"),
        "pose": shot.words.get("pose", ""),
    }


def phrases(shot: Shot, rng: np.random.Generator) -> list[str]:
    """Every phrase about a shot, the framing and subject first."""
    w, a = vocabulary(), attributes(shot)
    subject = f"{a['age']} {a['sex']}" if a["age"] in ("young", "older") else a["sex"]
    article = "an" if (noun := str(rng.choice(w[subject])))[0] in "aeiou" else "a"
    hair = styles()[a["hair"]]["words"]
    out = [f"{rng.choice(w['framing'][a['framing']])} of {article} {noun}"]
    out.append(hair if a["hair"] == "bald" else f"{a['hair_colour']} {hair}")
    out.append(w["skin"][a["skin"]])
    if a["beard"] != "none":
        out.append(w["beard"][a["beard"]])
    if a["glasses"] != "none":
        out.append("glasses")
    if a["framing"] == "close-up":
        out.append(f"{a['eyes']} eyes")
    else:
        out.append(f"wearing {shot.outfit.words}")
    if a["framing"] == "full body" and a["inner"] != "dress":
        out.append(f"{a['bottom_colour']} {a['bottom']}")
    out.append(a["expression"])
    if a["pose"]:
        out += a["pose"].split(", ")
    out += VIEWS[a["view"]].split(", ")
    out.append(w["background"][a["background"]].format(colour=a["background_colour"]))
    out.append(a["light"])
    if a["warmth"] != "neutral":
        out.append(w["warmth"][a["warmth"]])
    return out


def caption(shot: Shot, rng: np.random.Generator, dropout: float = 0.0, shuffle: bool = False) -> str:
    """One line about a shot.

    dropout leaves each phrase but the first out with that probability; shuffle puts those phrases in random order.
    """
    first, *rest = phrases(shot, rng)
    rest = [p for p in rest if rng.random() >= dropout]
    if shuffle:
        rng.shuffle(rest)
    return ", ".join([first, *rest])
