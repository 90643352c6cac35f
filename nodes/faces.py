"""Faces on the canvas: cut out, pasted back, and found for the Impact Pack."""

from __future__ import annotations

from typing import Any

import torch

from ..portrait import crops, identity, presets
from ..portrait import faces as finder
from ..portrait.crops import FaceCrops
from ..portrait.detector import FaceBoxDetector
from ..portrait.tensors import to_uint8
from .api import io
from .notice import notice

Crops = io.Custom("PORTRAIT_CROPS")


class PortraitFaceCrop(io.ComfyNode):
    """Square crops around faces, with what is needed to paste them back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFaceCrop",
            display_name="Face Crop",
            category="Portrait Studio/Faces",
            description="Finds the faces and cuts a square around each, at one size, with a soft mask of the face. "
            "Without a face the picture passes through whole, with a warning.",
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch."),
                io.Float.Input(
                    "ratio",
                    default=2.2,
                    min=1.0,
                    max=10.0,
                    step=0.1,
                    tooltip="The crop's side over the face's: 1.5 is the face, 2.2 the head, 4 head and shoulders.",
                ),
                io.Int.Input("size", default=512, min=64, max=4096, step=8, tooltip="The crop's side in pixels."),
                io.Boolean.Input("level", default=False, tooltip="Turn the crop so that the eyes lie level."),
                io.Combo.Input(
                    "choose",
                    options=list(finder.CHOICES),
                    default="all",
                    tooltip="Which face; likeness needs a subject.",
                ),
                io.Int.Input(
                    "max_faces",
                    default=0,
                    min=0,
                    max=64,
                    tooltip="At most so many faces a picture; 0 means every face for 'all' and one otherwise.",
                ),
                io.Float.Input(
                    "min_score",
                    default=0.6,
                    min=0.1,
                    max=1.0,
                    step=0.05,
                    tooltip="How sure the detector must be; lower finds more faces, and more that are none.",
                ),
                io.Combo.Input(
                    "padding",
                    options=list(crops.PADDINGS),
                    default="edge",
                    tooltip="What is seen beyond the border; reflect can show a second, mirrored head.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input("subject", optional=True, tooltip="Whose face, for likeness."),
                io.Image.Input("references", optional=True, tooltip="Photos of whose face, instead of a subject."),
            ],
            outputs=[
                io.Image.Output(display_name="crops", tooltip="One square a face."),
                io.Mask.Output(display_name="mask", tooltip="The face in each crop, soft at its edge."),
                Crops.Output(display_name="crops info", tooltip="Where the crops came from, for Face Paste."),
                io.Int.Output(display_name="faces found", tooltip="How many faces were cut out."),
            ],
        )

    @classmethod
    def validate_inputs(cls, choose: str | None = None, padding: str | None = None) -> bool | str:
        """Refuse unknown words before anything runs; ComfyUI does not."""
        return (
            presets.refusal("choice of faces", choose, finder.CHOICES)
            or presets.refusal("padding", padding, crops.PADDINGS)
            or True
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        ratio: float,
        size: int,
        level: bool,
        choose: str,
        max_faces: int,
        min_score: float,
        padding: str,
        subject: Any = None,
        references: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        """Find, choose, cut."""
        image = image[..., :3]
        height, width = image.shape[1:3]
        known, embedder, likeness = None, identity.embedder(), None
        if choose == "likeness":
            pictures = [to_uint8(frame) for frame in references] if references is not None else []
            known, embedder = identity.known_faces(subject, pictures)
        chosen, seen, warnings = [], 0, []
        for number, frame in enumerate(image, 1):
            pixels = to_uint8(frame)
            found = finder.detect(pixels, min_score)
            seen += len(found)
            if choose == "likeness" and known is not None:
                likeness = identity.likeness_to(pixels, known, embedder)
            chosen.append(finder.choose(found, choose, (width, height), max_faces, likeness))
            if not found:
                which = f"picture {number} of {len(image)}" if len(image) > 1 else "the picture"
                warnings.append(f"No face was found in {which}; it passes through unchanged.")
        plan = crops.plan(chosen, height, width, ratio, level)
        if plan.regions:
            squares = crops.cut(image, plan, size, padding)
            masks = crops.face_masks(plan, size, image.device)
        else:
            squares = crops.letterbox(image[0], size)[None]
            masks = torch.zeros((1, size, size), device=image.device)
        said = notice("face_crop", warnings, f"{len(plan)} of {seen} faces", faces=len(plan), seen=seen)
        return io.NodeOutput(squares, masks, plan, len(plan), ui=said)


class PortraitFacePaste(io.ComfyNode):
    """Crops back in their places."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFacePaste",
            display_name="Face Paste",
            category="Portrait Studio/Faces",
            description="Puts crops back where Face Crop took them, with a soft border. Everything outside them keeps "
            "its exact values.",
            inputs=[
                io.Image.Input("image", tooltip="The picture the crops were cut from."),
                io.Image.Input("crops", tooltip="The crops, in the same order; they may have another size by now."),
                Crops.Input("info", tooltip="Where they came from, out of Face Crop."),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="The width of the soft border, as a part of the crop's side.",
                ),
                io.Float.Input(
                    "colour_match",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far the crop's colours are pulled towards those of the picture beneath.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The picture with the crops in it.")],
        )

    @classmethod
    def execute(
        cls, image: torch.Tensor, crops: torch.Tensor, info: FaceCrops, feather: float, colour_match: float
    ) -> io.NodeOutput:
        """Paste."""
        return io.NodeOutput(_paste(image, crops, info, feather, colour_match))


# The node's input is called crops, as the module is.
_paste = crops.paste


class PortraitFaceDetector(io.ComfyNode):
    """Our face detector for nodes that take a BBOX_DETECTOR."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFaceDetector",
            display_name="Face Detector",
            category="Portrait Studio/Faces",
            description="YuNet as a BBOX_DETECTOR, for FaceDetailer and the detector nodes of the Impact Pack.",
            inputs=[
                io.Float.Input(
                    "min_score",
                    default=0.6,
                    min=0.1,
                    max=1.0,
                    step=0.05,
                    tooltip="How sure the detector must be; the threshold of the node behind counts too.",
                )
            ],
            outputs=[io.Custom("BBOX_DETECTOR").Output(display_name="detector", tooltip="Connect to bbox_detector.")],
        )

    @classmethod
    def execute(cls, min_score: float) -> io.NodeOutput:
        """Hand out the detector."""
        return io.NodeOutput(FaceBoxDetector(min_score))
