"""Parts of a face on the canvas: masks for inpainting, and the head for an OpenPose ControlNet."""

from __future__ import annotations

import torch

from ..portrait import face_parts, poses
from ..portrait import faces as finder
from ..portrait.crops import FaceCrops, face_masks
from ..portrait.tensors import to_uint8
from .api import io
from .faces import Crops
from .notice import notice


class PortraitFaceParts(io.ComfyNode):
    """Masks of the face, the ring at its border, its eyes and its lips, at the size of its crop."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFaceParts",
            display_name="Face Parts",
            category="Portrait Studio/Faces",
            description="Masks for a face crop: the face, the ring around it, eyes and lips. They say what to sample "
            "again and what to keep.",
            inputs=[
                Crops.Input("info", tooltip="Where the crops came from, from Face Crop."),
                io.Int.Input(
                    "size",
                    default=512,
                    min=64,
                    max=4096,
                    step=8,
                    tooltip="Side of the masks in pixels, the same as of the crops.",
                ),
                io.Float.Input(
                    "inner",
                    default=0.75,
                    min=0.1,
                    max=2.0,
                    step=0.05,
                    tooltip="Where the ring starts; 1 is the border of the face.",
                ),
                io.Float.Input(
                    "outer",
                    default=1.3,
                    min=0.1,
                    max=3.0,
                    step=0.05,
                    tooltip="Where the ring ends; 1 is the border of the face.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="face", tooltip="The face, with a soft edge."),
                io.Mask.Output(display_name="ring", tooltip="The border of the face, without eyes and lips."),
                io.Mask.Output(display_name="eyes and lips", tooltip="Eyes and lips."),
                io.Mask.Output(display_name="lips", tooltip="The lips."),
            ],
        )

    @classmethod
    def execute(cls, info: FaceCrops, size: int, inner: float, outer: float) -> io.NodeOutput:
        """Draw the masks; without a face they are black."""
        if not info.regions:
            black = torch.zeros((1, size, size))
            return io.NodeOutput(black, black, black, black)
        return io.NodeOutput(
            face_masks(info, size),
            face_parts.ring(info, size, inner, outer),
            face_parts.eyes_and_lips(info, size),
            face_parts.lips(info, size),
        )


class PortraitFacePose(io.ComfyNode):
    """The heads in a picture as an OpenPose map."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFacePose",
            display_name="Face Pose",
            category="Portrait Studio/Faces",
            description="Draws the nose and eyes of the faces in a picture in OpenPose colours, so that a new face "
            "gets the position and tilt of the old one. Needs no OpenPose weights.",
            inputs=[
                io.Image.Input("image", tooltip="A picture or a crop. Of a batch, only the first is used."),
                io.Float.Input(
                    "min_score", default=0.6, min=0.1, max=1.0, step=0.05, tooltip="How sure the detector must be."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="pose map", tooltip="For an OpenPose ControlNet."),
                io.Custom("POSE_KEYPOINT").Output(display_name="keypoints", tooltip="The points, in pixels."),
            ],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, min_score: float) -> io.NodeOutput:
        """Find the faces and draw them."""
        height, width = image.shape[1:3]
        found = finder.detect(to_uint8(image[0, ..., :3]), min_score)
        warnings = [] if found else ["No face was found in the picture; the pose map is black."]
        pose = poses.Pose(face_parts.head_points(found), width, height)
        drawn = torch.from_numpy(poses.draw(pose.keypoints, width, height)).float().div_(255)[None]
        said = notice("face_pose", warnings, f"{len(found)} faces", faces=len(found))
        return io.NodeOutput(drawn, poses.to_pose_keypoint(pose), ui=said)
