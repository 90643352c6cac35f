"""Poses on the canvas."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from ..portrait import poses, presets
from ..portrait.errors import PortraitError
from .api import io
from .folders import own_folder

AUTO: Literal["auto"] = "auto"


def _folders() -> tuple[Path, ...]:
    return poses.FOLDER, own_folder("poses")


class PortraitPosePreset(io.ComfyNode):
    """A pose by name, or from OpenPose JSON, as a map for an OpenPose ControlNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitPosePreset",
            display_name="Pose Preset",
            category="Portrait Studio/Poses",
            description="Draws a portrait pose in OpenPose colours, and returns the prompt words for it.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=poses.names(_folders()),
                    default="head-front",
                    tooltip="The pose. Your own JSON files in models/portrait_studio/poses appear here too.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=64,
                    max=8192,
                    step=8,
                    tooltip="Width of the map, the same as of the picture.",
                ),
                io.Int.Input(
                    "height",
                    default=768,
                    min=64,
                    max=8192,
                    step=8,
                    tooltip="Height of the map, the same as of the picture.",
                ),
                io.String.Input(
                    "pose_json",
                    default="",
                    multiline=True,
                    tooltip="OpenPose JSON (from OpenPose, DWPose or an editor). If given, it is drawn instead of the "
                    "preset.",
                ),
                io.Boolean.Input("hands", default=True, tooltip="Draw the hands, if the pose has them."),
                io.Combo.Input(
                    "fit",
                    options=[AUTO, *poses.FITS],
                    default=AUTO,
                    tooltip="What to do if the pose was made for another aspect ratio: contain shows all of it, cover "
                    "fills the map and cuts off the bottom, stretch distorts it. auto uses cover for "
                    "head-and-shoulders presets and contain for all others.",
                ),
                io.Custom("POSE_KEYPOINT").Input(
                    "keypoints",
                    optional=True,
                    tooltip="The pose of a photo, from DWPreprocessor or OpenposePreprocessor. If connected, it is "
                    "drawn instead of the preset and the JSON.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="pose map", tooltip="For an OpenPose ControlNet."),
                io.Custom("POSE_KEYPOINT").Output(
                    display_name="keypoints", tooltip="The points, in pixels of the map."
                ),
                io.String.Output(
                    display_name="prompt words", tooltip="Framing, view and gesture; empty for a pose from JSON."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        """Refuse an unknown preset before anything runs; ComfyUI does not."""
        return presets.refusal("pose preset", preset, poses.names(_folders())) or True

    @classmethod
    def fingerprint_inputs(cls, preset: str | None = None, **_: object) -> tuple[str | None, int]:
        """Run again when the preset's file has changed."""
        return presets.fingerprint(preset, _folders(), poses.SUFFIXES)

    @classmethod
    def execute(
        cls,
        preset: str,
        width: int,
        height: int,
        pose_json: str,
        hands: bool,
        fit: Literal["auto"] | poses.Fit,
        keypoints: Any = None,
    ) -> io.NodeOutput:
        """Draw the pose; a photo in which nobody was found is an error, since a black map would hold no pose."""
        best: poses.Fit = "contain"
        if keypoints is not None:
            pose, words = poses.parse(keypoints, (width, height)), ""
            if not pose.keypoints[..., 2].any():
                raise PortraitError(
                    "No body was found in the reference photo; give one that shows a person, or use a pose preset."
                )
        elif pose_json.strip():
            pose, words = poses.read(pose_json, (width, height)), ""
        else:
            chosen = poses.load(preset, _folders())
            pose, words, best = chosen.pose, chosen.prompt, chosen.fit
        pose = (pose if hands else pose.without_hands()).fitted(width, height, best if fit == AUTO else fit)
        image = poses.draw(pose.keypoints, width, height)
        warnings = [] if image.any() else ["No point of the pose is in the picture; the map is black."]
        return io.NodeOutput(
            torch.from_numpy(image).float().div_(255)[None],
            poses.to_pose_keypoint(pose),
            words,
            ui={"portrait_studio": [{"kind": "pose", "people": len(pose.keypoints), "warnings": warnings}]},
        )
