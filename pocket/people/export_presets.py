"""Writes portrait/poses/presets/*.json: every pose of poses.json, as OpenPose would see the average body in it.

`python -m portrait_studio.pocket.people.export_presets` needs the body rig (see `rig.py`); the files it writes are all
that the studio needs afterwards.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ...portrait import disk
from ...portrait.poses import FOLDER
from . import poses
from .body import Body
from .keypoints import BODY, COUNT, LEFT_HAND, RIGHT_HAND, mirror_order

ASPECTS = {"head and shoulders": (3, 4), "half body": (3, 4), "full body": (2, 3)}
CANVASES = {"head and shoulders": (768, 1024), "half body": (768, 1024), "full body": (768, 1152)}

FIELD_OF_VIEW = 20.0
"""Vertical angle of view in degrees: a short telephoto, as portraits are taken."""

HEAD_TOP = 0.13
"""From the ears to the top of the head, metres on the average body; unlike the nose, ears stay when the head nods."""

# How far (metres) a point may lie behind the nearest surface and still be seen: a joint is inside its limb, an ear
# behind the cheek's rim. OpenPose infers the trunk's points through whatever covers them, so these are never hidden.
DEPTHS = {"nose": 0.03, "eye": 0.03, "ear": 0.045, "elbow": 0.12, "wrist": 0.09, "knee": 0.15, "ankle": 0.12}
HAND_DEPTH = 0.045
HAND_SHARE = 0.6
"""A hand is drawn if this share of its points is in the picture and uncovered."""


def preset(body: Body, name: str) -> dict:
    """The preset `name` as the document of its file (schema: `portrait/poses/library.py`)."""
    pose = poses.get(name)
    width, height = CANVASES[pose.framing]
    twin = poses.mirror(pose)
    # The right one of a pair is the left one's mirror image to the pixel.
    flip = twin.name != name and twin.name < name
    points = project(body, twin if flip else pose)
    if flip:
        points = points[mirror_order()]
        points[:, 0] = np.where(points[:, 2] > 0, width - points[:, 0], 0)
    person = {
        "pose_keypoints_2d": _flat(points[: len(BODY)]),
        "hand_left_keypoints_2d": _flat(points[LEFT_HAND]),
        "hand_right_keypoints_2d": _flat(points[RIGHT_HAND]),
        "face_keypoints_2d": None,
    }
    return {
        "name": name,
        "title": dict(pose.title),
        "framing": pose.framing,
        "view": pose.view,
        "words": pose.words,
        "aspect": list(ASPECTS[pose.framing]),
        "canvas": [width, height],
        "people": [person],
    }


def project(body: Body, pose: poses.BonePose) -> np.ndarray:
    """Keypoints `[60, 3]` of the average body: x, y in pixels of the framing's canvas and 1 where seen, else zeros."""
    mesh = body.mesh(pose=pose.rotations[None])
    turn = view_rotation(pose.yaw, pose.pitch)
    points, vertices = (part[0].cpu().numpy().astype(np.float64) @ turn.T for part in (mesh.keypoints, mesh.vertices))
    width, height = CANVASES[pose.framing]
    centre, tall = _frame(points, pose.framing, width / height)
    focal = height / 2 / np.tan(np.deg2rad(FIELD_OF_VIEW) / 2)
    distance = tall / 2 / np.tan(np.deg2rad(FIELD_OF_VIEW) / 2)

    def flatten(places: np.ndarray) -> np.ndarray:
        depth = places[:, 1] - centre[1] + distance
        x = width / 2 + focal * (places[:, 0] - centre[0]) / depth
        return np.stack([x, height / 2 - focal * (places[:, 2] - centre[2]) / depth, depth], 1)

    flat = flatten(points)
    covered = flat[:, 2] - _surface(flat, flatten(vertices)[body.faces["body"].vertices.cpu().numpy()])
    inside = (flat[:, 0] >= 0) & (flat[:, 0] < width) & (flat[:, 1] >= 0) & (flat[:, 1] < height)
    seen = inside & (covered <= _allowed())
    for hand in (LEFT_HAND, RIGHT_HAND):
        seen[hand] = inside[hand] & (seen[hand].mean() >= HAND_SHARE)
    return np.where(seen[:, None], np.column_stack([flat[:, :2].round(1), np.ones(COUNT)]), 0.0)


def view_rotation(yaw: float, pitch: float) -> np.ndarray:
    """World to camera (right, away, up) `[3, 3]` for a person turned by `yaw` and a camera `pitch` above, degrees."""
    y, p = np.deg2rad((yaw, pitch))
    turn = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    return np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]]) @ turn


def _frame(points: np.ndarray, framing: str, aspect: float) -> tuple[np.ndarray, float]:
    """What a photographer would take in: the centre `[3]` and the height of the picture in metres at that depth."""
    neck = points[1]
    hips = (points[8] + points[11]) / 2
    top = points[16:18, 2].mean() + HEAD_TOP
    if framing == "head and shoulders":
        tall = 0.66
        middle = 0.65 * (points[14:18, 0].mean()) + 0.35 * neck[0]
        return np.array([middle, neck[1], top + 0.10 * tall - tall / 2]), tall
    if framing == "half body":
        arms = points[[*range(2, 8), *range(LEFT_HAND.start, COUNT)]]
        shown = np.concatenate([points[[0, 1, 14, 15, 16, 17]], arms[arms[:, 2] > hips[2]]])
        low, high = hips[2] - 0.10, max(top, shown[:, 2].max())
    else:
        shown = points
        low, high = points[:, 2].min() - 0.08, max(top, points[:, 2].max())
    left, right = shown[:, 0].min() - 0.05, shown[:, 0].max() + 0.05
    tall = max((high - low) * 1.14, (right - left) * 1.10 / aspect)
    if framing == "half body":
        bottom_kept = high + 0.07 * tall - tall / 2
        return np.array([(left + right) / 2, shown[:, 1].mean(), bottom_kept]), tall
    return np.array([(left + right) / 2, hips[1], (low + high) / 2]), tall


def _surface(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Depth `[N]` of the nearest of the flattened triangles `[F, 3, 3]` under each point; infinite if there is none."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    a, b, c, area = (part[np.abs(area) > 1e-9] for part in (a, b, c, area))
    nearest = np.full(len(points), np.inf)
    for index, (x, y, _) in enumerate(points):
        v = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (y - a[:, 1])) / area
        w = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (x - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
        hit = (v >= 0) & (w >= 0) & (v + w <= 1)
        depth = (1 - v - w) * a[:, 2] + v * b[:, 2] + w * c[:, 2]
        nearest[index] = depth[hit].min(initial=np.inf)
    return nearest


def _allowed() -> np.ndarray:
    """How deep each of the 60 points may lie behind the surface, metres."""
    limits = np.full(COUNT, HAND_DEPTH)
    limits[: len(BODY)] = [DEPTHS.get(name.split("_")[-1], np.inf) for name in BODY]
    return limits


def _flat(points: np.ndarray) -> list[float | int] | None:
    """OpenPose's flat list x, y, c, x, y, c...; None where nothing is seen (a hand that is not in the picture)."""
    if not points[:, 2].any():
        return None
    return [value for x, y, c in points.tolist() for value in ((round(x, 1), round(y, 1), 1) if c else (0, 0, 0))]


def text(document: dict) -> str:
    """The document as it is written: one line a list of keypoints."""
    whole = json.dumps({**document, "people": "#"}, ensure_ascii=False, indent=2)
    lines = ",\n".join(f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in document["people"][0].items())
    for key in ("aspect", "canvas"):
        whole = whole.replace(json.dumps({key: document[key]}, indent=2)[1:-2].strip(), f'"{key}": {document[key]}')
    return whole.replace('"#"', f"[\n    {{\n{lines}\n    }}\n  ]") + "\n"


def main(folder: Path = FOLDER) -> None:
    """Write every preset into `folder`."""
    body = Body()
    for name in poses.names():
        disk.write(folder / f"{name}.json", text(preset(body, name)).encode())
    print(f"{len(poses.names())} presets written", file=sys.stderr)


if __name__ == "__main__":
    main()
