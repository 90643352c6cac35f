"""OpenPose keypoints of a body: 18 of the body and 21 of each hand, in OpenPose's order.

The body's points are anny's COCO regressors over the skin (so they sit where an annotator would click); the hands' are
the finger bones' heads, and for the finger tips the outermost skin of each last phalanx. The neck is the middle of the
shoulders, as OpenPose defines it for COCO.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

BODY = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
"""OpenPose's COCO-18 order; left and right are the person's own."""

HAND = (
    "wrist",
    *(f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "little") for joint in range(1, 5)),
)
"""OpenPose's order of a hand: every finger from the knuckle (1) to its tip (4)."""

COUNT = len(BODY) + 2 * len(HAND)
LEFT_HAND = slice(len(BODY), len(BODY) + len(HAND))
RIGHT_HAND = slice(len(BODY) + len(HAND), COUNT)

TIP_VERTICES = 6
"""How many of a finger's outermost vertices are averaged into its tip."""


def mirror_order() -> list[int]:
    """For every keypoint of the 60 the index of its twin on the other side."""
    swapped = [name.replace("left", "#").replace("right", "left").replace("#", "right") for name in BODY]
    body = [BODY.index(name) for name in swapped]
    return [*body, *range(RIGHT_HAND.start, RIGHT_HAND.stop), *range(LEFT_HAND.start, LEFT_HAND.stop)]


class KeypointRegressor:
    """Reads the 60 keypoints off posed bodies.

    Args:
        tensors, names: the rig, as `rig.load` returns it.
        device: where meshes live.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], names: Mapping, device: torch.device):
        rows, weights = tensors["keypoint_rows"].long(), tensors["keypoint_weights"]
        labels: list[str] = names["keypoints"]
        self._vertices, position = tensors["keypoint_vertices"].long().unique(return_inverse=True)
        self._weights = torch.zeros(len(BODY), len(self._vertices))
        for point, name in enumerate(BODY):
            for part in ("right_shoulder", "left_shoulder") if name == "neck" else (name,):
                here = rows == labels.index(part)
                self._weights[point].index_add_(0, position[here], weights[here] / (2 if name == "neck" else 1))
        self._vertices, self._weights = self._vertices.to(device), self._weights.to(device)

        bones = {name: index for index, name in enumerate(names["bones"])}
        chains = [("wrist", 0), *((f"finger{finger}", joint) for finger in range(1, 6) for joint in range(1, 5))]
        self._joints: list[int] = []
        self._tips: list[torch.Tensor] = []
        self._slots: list[int] = []
        self._tip_slots: list[int] = []
        for side, start in (("L", LEFT_HAND.start), ("R", RIGHT_HAND.start)):
            for slot, (chain, joint) in enumerate(chains, start):
                if joint == 4:
                    self._tips.append(_finger_tip(tensors, bones[f"{chain}-3.{side}"]))
                    self._tip_slots.append(slot)
                else:
                    self._joints.append(bones[f"{chain}-{joint}.{side}" if joint else f"{chain}.{side}"])
                    self._slots.append(slot)
        self._tip_vertices = torch.stack(self._tips).to(device)

    def __call__(self, vertices: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """Keypoints `[B, 60, 3]` of meshes with vertices `[B, V, 3]` and bone heads `[B, J, 3]`, in the same units."""
        points = vertices.new_zeros(len(vertices), COUNT, 3)
        points[:, : len(BODY)] = self._weights @ vertices[:, self._vertices]
        points[:, self._slots] = joints[:, self._joints]
        points[:, self._tip_slots] = vertices[:, self._tip_vertices].mean(2)
        return points


def _finger_tip(tensors: Mapping[str, torch.Tensor], bone: int) -> torch.Tensor:
    """The `TIP_VERTICES` vertices that hang on `bone` most of all and lie farthest from its head."""
    weight = torch.where(tensors["skin_bones"].long() == bone, tensors["skin_weights"], 0).sum(1)
    own = (weight > 0.9).nonzero()[:, 0]
    distance = (tensors["template"][own] - tensors["bone_heads"][bone]).norm(dim=1)
    return own[distance.topk(TIP_VERTICES).indices]
