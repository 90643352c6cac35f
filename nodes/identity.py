"""Likeness on the canvas: who an image shows, after every stage."""

from __future__ import annotations

import json
from typing import Any

import torch

from ..portrait import identity
from ..portrait.closeups import close_ups_of
from ..portrait.errors import PortraitError
from ..portrait.tensors import image_photos, singles
from .api import io
from .notice import notice


class PortraitIdentityScore(io.ComfyNode):
    """The likeness of each image to a subject or to reference photos."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitIdentityScore",
            display_name="Identity Score",
            category="Portrait Studio/Identity",
            description="Measures how much each image looks like the person (cosine of face embeddings, -1 to 1), "
            "passes the images through and names the best.",
            is_input_list=True,
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The images to measure, as a list or a batch."),
                io.String.Input("stage", default="", tooltip="What the record calls this measurement, such as 't2i'."),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, with reference embeddings."
                ),
                io.Image.Input(
                    "references",
                    optional=True,
                    tooltip="Photos of the person, for a subject that brings no references of its own; best kept from "
                    "training.",
                ),
                io.String.Input("names", optional=True, force_input=True, tooltip="The names of the images."),
            ],
            outputs=[
                io.Image.Output(display_name="images", is_output_list=True, tooltip="The images, unchanged."),
                io.Float.Output(display_name="score", tooltip="The mean likeness; 0 when nothing could be measured."),
                io.Image.Output(display_name="best", tooltip="The image most like the person."),
                io.String.Output(display_name="report", tooltip="The likeness of each image as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: list[torch.Tensor],
        stage: list[str],
        subject: list[Any] | None = None,
        references: list[torch.Tensor] | None = None,
        names: list[str] | None = None,
    ) -> io.NodeOutput:
        """Measure every image."""
        frames = singles(images)
        if not frames:
            raise PortraitError("No images arrived to measure; connect a list or a batch.")
        labels = names if names and len(names) == len(frames) else [f"image {i + 1}" for i in range(len(frames))]
        photos = image_photos(references or [])
        known, embedder = identity.known_faces(subject[0] if subject else None, photos)
        warnings = []
        if known is None:
            asked = (
                "No face was found in the reference photos"
                if photos
                else "No subject or reference photos are connected"
            )
            warnings.append(f"{asked}; likeness is not measured.")
        found = close_ups_of(image_photos(frames))
        warnings += [f"No face was found in {label}." for label, own in zip(labels, found, strict=True) if not own]
        scores: list[float | None] = [None] * len(frames)
        if known is not None:
            aligned = [[identity.align(one.pixels, one.seen) for one in own] for own in found]
            for index, embeddings in enumerate(identity.embed_aligned(aligned, embedder)):
                scores[index] = max((identity.likeness(each, known) for each in embeddings), default=None)
        measured = [score for score in scores if score is not None]
        mean = sum(measured) / len(measured) if measured else None
        ranked = sorted(range(len(frames)), key=lambda index: -(scores[index] if scores[index] is not None else -2.0))
        facts = {
            "stage": stage[0] if stage else "",
            "faces": sum(map(len, found)),
            "likeness": None if mean is None else round(mean, 4),
            "backend": embedder.name,
        }
        listing = [{"name": labels[i], "likeness": None if scores[i] is None else round(scores[i], 4)} for i in ranked]
        said = notice("likeness", warnings, "likeness " + ("not measured" if mean is None else f"{mean:.3f}"), **facts)
        text = json.dumps({**facts, "images": listing, "warnings": warnings}, ensure_ascii=False, indent=1)
        return io.NodeOutput(images, mean or 0.0, frames[ranked[0]], text, ui=said)
