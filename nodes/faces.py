"""Faces on the canvas: cut out, pasted back, and found for the Impact Pack."""

from __future__ import annotations

from typing import Any

import torch

from ..portrait import crops, identity, presets
from ..portrait import faces as finder
from ..portrait.crops import FaceCrops
from ..portrait.detector import FaceBoxDetector
from ..portrait.finer import cut_finer
from ..portrait.tensors import image_photos, original_of, to_uint8
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
            description="Finds the faces and cuts a square around each one, all at the same size, with a soft mask of "
            "the face. If there is no face, the whole picture passes through with a warning.",
            # Photos of a person come as a list; without this the node would run once per photo.
            is_input_list=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch."),
                io.Float.Input(
                    "ratio",
                    default=2.2,
                    min=1.0,
                    max=10.0,
                    step=0.1,
                    tooltip="Size of the crop relative to the face: 1.5 is the face, 2.2 the head, 4 head and "
                    "shoulders.",
                ),
                io.Int.Input("size", default=512, min=64, max=4096, step=8, tooltip="Side of the crop in pixels."),
                io.Boolean.Input("level", default=False, tooltip="Rotate the crop so that the eyes are level."),
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
                    tooltip="The largest number of faces per picture; 0 means every face for 'all', and one face "
                    "otherwise.",
                ),
                io.Float.Input(
                    "min_score",
                    default=0.6,
                    min=0.1,
                    max=1.0,
                    step=0.05,
                    tooltip="How sure the detector must be. Lower values find more faces, but also more false ones.",
                ),
                io.Combo.Input(
                    "padding",
                    options=list(crops.PADDINGS),
                    default="edge",
                    tooltip="What to show outside the picture. reflect can show a second, mirrored head.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="Whose face to choose, for likeness."
                ),
                io.Image.Input(
                    "references",
                    optional=True,
                    tooltip="Photos of the person whose face to choose, instead of a subject.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="crops", is_output_list=True, tooltip="One square per face."),
                io.Mask.Output(
                    display_name="mask", is_output_list=True, tooltip="The face in each crop, with a soft edge."
                ),
                Crops.Output(
                    display_name="crops info", is_output_list=True, tooltip="Where the crops came from, for Face Paste."
                ),
                io.Int.Output(display_name="faces found", is_output_list=True, tooltip="How many faces were cut out."),
            ],
        )

    @classmethod
    def validate_inputs(cls, choose: list[str] | None = None, padding: list[str] | None = None) -> bool | str:
        """Refuse unknown words before anything runs; ComfyUI does not."""
        return (
            presets.refusal("choice of faces", choose[0] if choose else None, finder.CHOICES)
            or presets.refusal("padding", padding[0] if padding else None, crops.PADDINGS)
            or True
        )

    @classmethod
    def execute(
        cls,
        image: list[torch.Tensor],
        ratio: list[float],
        size: list[int],
        level: list[bool],
        choose: list[str],
        max_faces: list[int],
        min_score: list[float],
        padding: list[str],
        subject: list[Any] | None = None,
        references: list[torch.Tensor] | None = None,
    ) -> io.NodeOutput:
        """Find, choose, cut: one batch of crops for each picture or batch of the list."""
        known, embedder = None, identity.embedder()
        if choose[0] == "likeness":
            known, embedder = identity.known_faces(subject[0] if subject else None, image_photos(references or []))
        squares, masks, plans, warnings, seen = [], [], [], [], 0
        for pictures in image:
            original = original_of(pictures)
            pictures = pictures[..., :3]
            frames = [to_uint8(frame) for frame in pictures]
            found = finder.detect_all(frames, min_score[0])
            seen += sum(map(len, found))
            chosen = []
            for frame, faces in zip(frames, found, strict=True):
                likeness = None if known is None else identity.likeness_to(frame, known, embedder)
                canvas = (frame.shape[1], frame.shape[0])
                chosen.append(finder.choose(faces, choose[0], canvas, max_faces[0], likeness))
            which = [f"picture {number}" for number, faces in enumerate(chosen, 1) if not faces]
            if which:
                named = ", ".join(which) if len(chosen) > 1 else "the picture"
                warnings.append(f"No face was found in {named}; it passes through unchanged.")
            height, width = pictures.shape[1:3]
            plan = crops.plan(chosen, height, width, ratio[0], level[0])
            if plan.regions:
                squares.append(cut_finer(pictures, original, plan, size[0], padding[0]))
                masks.append(crops.face_masks(plan, size[0], pictures.device))
            else:
                squares.append(crops.letterbox(pictures[0], size[0])[None])
                masks.append(torch.zeros((1, size[0], size[0]), device=pictures.device))
            plans.append(plan)
        count = sum(map(len, plans))
        said = notice("face_crop", warnings, f"{count} of {seen} faces", faces=count, seen=seen)
        return io.NodeOutput(squares, masks, plans, [len(plan) for plan in plans], ui=said)


class PortraitFacePaste(io.ComfyNode):
    """Crops back in their places."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitFacePaste",
            display_name="Face Paste",
            category="Portrait Studio/Faces",
            description="Puts crops back where Face Crop cut them out, with a soft border. Everything outside them "
            "keeps its exact values.",
            inputs=[
                io.Image.Input("image", tooltip="The picture the crops were cut from."),
                io.Image.Input("crops", tooltip="The crops, in the same order. Their size may have changed."),
                Crops.Input("info", tooltip="Where the crops came from, from Face Crop."),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the soft border, as a fraction of the side of the crop.",
                ),
                io.Float.Input(
                    "colour_match",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far the colours of the crop are moved towards those of the picture under it.",
                ),
                io.Mask.Input(
                    "only",
                    optional=True,
                    tooltip="How much of the crop to use at each point. Where it is black, the picture does not "
                    "change.",
                ),
                io.Mask.Input(
                    "keep_colour",
                    optional=True,
                    tooltip="Where the crop always keeps its own colours, for example the lips.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The picture with the crops in it.")],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        crops: torch.Tensor,
        info: FaceCrops,
        feather: float,
        colour_match: float,
        only: torch.Tensor | None = None,
        keep_colour: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        """Paste."""
        return io.NodeOutput(_paste(image, crops, info, feather, colour_match, only, keep_colour))


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
                    tooltip="How sure the detector must be. The threshold of the following node applies too.",
                ),
                io.Combo.Input(
                    "choose",
                    options=[word for word in finder.CHOICES if word != "likeness"],
                    default="all",
                    tooltip="Which face to find. Every choice except all finds one face.",
                ),
            ],
            outputs=[io.Custom("BBOX_DETECTOR").Output(display_name="detector", tooltip="Connect to bbox_detector.")],
        )

    @classmethod
    def validate_inputs(cls, choose: str | None = None) -> bool | str:
        """Refuse an unknown word before anything runs; ComfyUI does not."""
        words = [word for word in finder.CHOICES if word != "likeness"]
        return presets.refusal("choice of faces", choose, words) or True

    @classmethod
    def execute(cls, min_score: float, choose: str = "all") -> io.NodeOutput:
        """Hand out the detector."""
        return io.NodeOutput(FaceBoxDetector(min_score, choose))
