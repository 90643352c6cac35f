"""Poses as data: joint rotations with the words and the camera that go with them, and natural variants at random.

`poses.json` holds one pose for every preset of `portrait/poses`; `pose_solver.py` makes it. Left and right of names,
titles and views are the picture's; left and right of bones and arms are the person's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from ...portrait import presets
from ...portrait.errors import PortraitError

POSES = Path(__file__).with_name("poses.json")

HEAD = ("neck01", "neck02", "neck03", "head")
SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
ARM = (
    "clavicle",
    "shoulder01",
    "upperarm01",
    "upperarm02",
    "lowerarm01",
    "lowerarm02",
    "wrist",
    "finger",
    "metacarpal",
)
STANDING = ("full-standing", "full-hands-in-pockets", "full-arms-raised", "full-contrapposto")
"""Full-body poses that stand on the same floor, so that legs and arms go together."""

HEAD_LIMITS = np.deg2rad([28.0, 20.0, 62.0])
"""How far the head nods, tilts and turns against the chest: comfortable, well inside what a neck can do."""

GAZE_LIMIT = np.deg2rad(26.0)


@dataclass(frozen=True)
class BonePose:
    """A pose and how it is looked at.

    Attributes:
        name: of the preset it is, or comes from.
        framing: `head and shoulders`, `half body` or `full body`.
        view: where the face points in the picture, a key of `portrait.poses.library.VIEWS`.
        words: the gesture, as prompt words.
        rotations: `[J, 3]` float32 rotation vectors in radians, as `Body.mesh` takes them.
        yaw: degrees the person is turned; positive: towards the picture's right.
        pitch: degrees the camera looks from above.
        arms: for each of the person's arms (`left`, `right`) that does not need the other one: its gesture in words,
            empty where it hangs.
        title: what people read, by language code.
    """

    name: str
    framing: str
    view: str
    words: str
    rotations: torch.Tensor
    yaw: float
    pitch: float
    arms: Mapping[str, str]
    title: Mapping[str, str]


def names(framing: str | None = None) -> list[str]:
    """The names of all poses, or of a framing's, in the order of the file."""
    return [name for name, pose in _library().items() if framing in (None, pose.framing)]


def bones() -> list[str]:
    """The names of the J bones in the order of `BonePose.rotations`."""
    return _document()["bones"]


def get(name: str) -> BonePose:
    """The pose of that name.

    Raises:
        PortraitError: no such pose; the nearest names are given.
    """
    return _library()[presets.choose("pose", name, _library())]


def mirror(pose: BonePose) -> BonePose:
    """The pose seen in a mirror, exactly: sides of joints, yaw, view, name and words are exchanged."""
    twins = [bones().index(_other_side(bone)) for bone in bones()]
    return replace(
        pose,
        name=_other_side(pose.name) if _other_side(pose.name) in _library() else pose.name,
        view=_other_side(pose.view),
        words=_other_side(pose.words),
        rotations=pose.rotations[twins] * torch.tensor([1.0, -1.0, -1.0]),
        yaw=-pose.yaw,
        arms={_other_side(arm): words for arm, words in pose.arms.items()},
        title=_library()[_other_side(pose.name)].title if _other_side(pose.name) in _library() else pose.title,
    )


def sample(rng: np.random.Generator, framing: str) -> BonePose:
    """A natural variant of a random pose of a framing.

    The trunk and the head go part of the way to another pose's, an arm that is free may be taken from another pose, the
    whole is mirrored half of the time, and every joint wavers a little; the gaze follows the camera where the words do
    not say otherwise. Arms that rest on each other or on the face waver least.

    Raises:
        PortraitError: no such framing.
    """
    known = names(framing)
    if not known:
        raise PortraitError(
            f"There are no poses of framing {framing!r}; choose 'head and shoulders', 'half body' or 'full body'."
        )
    pose, other = (_maybe_mirrored(rng, get(known[rng.integers(len(known))])) for _ in range(2))
    turns = pose.rotations.numpy().astype(np.float64)
    if _goes_with(pose, other):
        share = rng.uniform(0, 0.2 if framing == "head and shoulders" else 0.5)
        for part in (_rows(HEAD), _rows(SPINE)):
            turns[part] += share * (other.rotations.numpy()[part] - turns[part])
        arm = ("left", "right")[rng.integers(2)]
        if arm in pose.arms and arm in other.arms and rng.random() < 0.4:
            turns[_arm(arm)] = other.rotations.numpy()[_arm(arm)]
            pose = _with_arm(pose, arm, other.arms[arm])
    _waver(turns, pose, rng)
    # A profile that turned further would show the back of the head.
    yaw = pose.yaw + rng.normal(0, 3 if "profile" in pose.view else 8)
    _look(turns, pose, yaw, rng)
    return replace(
        pose,
        rotations=torch.from_numpy(turns.astype(np.float32)),
        yaw=float(yaw),
        pitch=float(pose.pitch + rng.normal(0, 3.5)),
    )


def _maybe_mirrored(rng: np.random.Generator, pose: BonePose) -> BonePose:
    return mirror(pose) if rng.random() < 0.5 else pose


def _goes_with(pose: BonePose, other: BonePose) -> bool:
    """Whether trunk, head and arms of two poses may be mixed: the same stand, the same side of the person shown."""
    stands = [item.framing != "full body" or item.name in STANDING for item in (pose, other)]
    from_behind = [item.view.startswith("back") for item in (pose, other)]
    return all(stands) and from_behind[0] == from_behind[1] and (not from_behind[0] or pose.view == other.view)


def _with_arm(pose: BonePose, arm: str, words: str) -> BonePose:
    """The pose's words after an arm took another gesture."""
    arms = {**pose.arms, arm: words}
    if arms[arm] == pose.arms[arm]:
        return pose
    gestures = list(dict.fromkeys(words for words in arms.values() if words)) or ["arms at the sides"]
    posture = ["standing"] if pose.framing == "full body" else []
    looks = [pose.words] if pose.framing == "head and shoulders" else [*posture, *gestures]
    return replace(pose, words=", ".join(looks), arms=arms)


def _waver(turns: np.ndarray, pose: BonePose, rng: np.random.Generator) -> None:
    """A few degrees on every joint, in place; less where an arm rests on something."""
    together = len(pose.arms) < 2
    turn = 2.0 if "profile" in pose.view else 6.0
    turns[_rows(HEAD)] += np.deg2rad(rng.normal(0, (3.5, 3.0, turn))) * _HEAD_SHARES[:, None]
    turns[_rows(SPINE)] += np.deg2rad(rng.normal(0, (2.0, 1.5, 3.0))) / len(SPINE)
    for side in ("left", "right"):
        ease = 0.3 if together or pose.arms[side] not in ("", "waving hand", "pointing up", "arm raised") else 1.0
        for bone, spread in (("upperarm01", 4.0), ("lowerarm01", 4.0), ("lowerarm02", 6.0), ("wrist", 5.0)):
            turns[_rows([f"{bone}.{side[0].upper()}"])] += np.deg2rad(rng.normal(0, spread * ease, 3))
        fingers = [row for row in _arm(side) if "finger" in bones()[row]]
        turns[fingers] *= 1 + rng.normal(0, 0.1 * ease)
        legs = _rows([f"upperleg01.{side[0].upper()}"])
        turns[legs] += np.deg2rad(rng.normal(0, 1.2, 3))


def _look(turns: np.ndarray, pose: BonePose, yaw: float, rng: np.random.Generator) -> None:
    """Keep the head within its limits and let the eyes find the camera, in place."""
    head = _rows(HEAD)
    total = turns[head].sum(0)
    turns[head] += _HEAD_SHARES[:, None] * (np.clip(total, -HEAD_LIMITS, HEAD_LIMITS) - total)
    if "looking" in pose.words and "camera" not in pose.words:
        return
    aside = -np.deg2rad(yaw) - turns[:, 2][[*head, *_rows(SPINE), *_rows(["root"])]].sum()
    gaze = np.clip(aside + rng.normal(0, 0.04), -GAZE_LIMIT, GAZE_LIMIT) if abs(aside) < 2 * GAZE_LIMIT else 0.0
    turns[_rows(["eye.L", "eye.R"]), 2] = gaze


_HEAD_SHARES = np.array([0.2, 0.15, 0.2, 0.45])


def _rows(names: Iterable[str]) -> list[int]:
    order = {bone: row for row, bone in enumerate(bones())}
    return [order[name] for name in names]


@cache
def _arm(side: str) -> list[int]:
    mark = f".{side[0].upper()}"
    return [row for row, bone in enumerate(bones()) if bone.startswith(ARM) and bone.endswith(mark)]


def _other_side(text: str) -> str:
    """Left for right and right for left, in words and in the marks `.L` and `.R` of bones."""
    if text.endswith((".L", ".R")):
        return text[:-1] + {"L": "R", "R": "L"}[text[-1]]
    return text.replace("left", "\0").replace("right", "left").replace("\0", "right")


@cache
def _document() -> dict:
    return json.loads(POSES.read_text("utf-8"))


@cache
def _library() -> dict[str, BonePose]:
    order = _document()["bones"]
    library = {}
    for name, pose in _document()["poses"].items():
        rotations = torch.zeros(len(order), 3)
        for bone, turn in pose["rotations"].items():
            rotations[order.index(bone)] = torch.deg2rad(torch.tensor(turn))
        library[name] = BonePose(
            name=name,
            framing=pose["framing"],
            view=pose["view"],
            words=pose["words"],
            rotations=rotations,
            yaw=pose["camera"]["yaw"],
            pitch=pose["camera"]["pitch"],
            arms=pose["arms"],
            title=pose["title"],
        )
    return library
