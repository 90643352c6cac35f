"""Likeness on the canvas: who an image shows, after every stage."""

from __future__ import annotations

import json
from typing import Any

import torch

from ..portrait import identity
from ..portrait.closeups import close_ups_of
from ..portrait.errors import PortraitError
from ..portrait.likeness import known, looking, recognisers, report
from ..portrait.tensors import image_photos, singles
from .api import io
from .notice import nobody_known, notice


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
            "passes the images through, and says which is best. An image that copies a training photo ranks last.",
            is_input_list=True,
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The images to measure, as a list or a batch."),
                io.String.Input(
                    "stage", default="", tooltip="Name of this measurement in the record, for example 't2i'."
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, with reference embeddings."
                ),
                io.Image.Input(
                    "references",
                    optional=True,
                    tooltip="Photos of the person, for a subject without references of its own. Better not the photos "
                    "used in training.",
                ),
                io.String.Input("names", optional=True, force_input=True, tooltip="The names of the images."),
            ],
            outputs=[
                io.Image.Output(display_name="images", is_output_list=True, tooltip="The images, unchanged."),
                io.Float.Output(display_name="score", tooltip="The mean likeness; 0 if nothing could be measured."),
                io.Image.Output(
                    display_name="best", tooltip="The image that looks most like the person and is not a copy."
                ),
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
        person, embedder = identity.known_faces(subject[0] if subject else None, photos)
        warnings = []
        if person is None:
            warnings.append(f"{nobody_known(photos)}; likeness is not measured.")
        found = close_ups_of(image_photos(frames))
        warnings += [f"No face was found in {label}." for label, own in zip(labels, found, strict=True) if not own]
        told = report.LikenessReport((report.PictureLikeness(None),) * len(frames), embedder.name)
        if person is not None:
            second, why = recognisers.second()
            warnings += [why] if why else []
            photos_known = known.of_subject(subject[0] if subject else None)
            seen = looking.seen_in(found, embedder, person)
            told = report.with_looks(report.measured(seen, person, photos_known, embedder, second), seen, photos_known)
            warnings += told.warnings
        facts = {
            "stage": stage[0] if stage else "",
            "faces": sum(map(len, found)),
            "likeness": identity.rounded(told.likeness),
            "backend": embedder.name,
        }
        if told.band is not None:
            facts["own_band"], facts["copies"] = told.band.as_dict(), len(told.copies)
        if told.looks:
            facts["looks"] = {name: one.as_dict() for name, one in told.looks.items()}
        if told.second is not None:
            facts["second"] = told.second.as_dict()
        listing = [{"name": labels[i], **told.pictures[i].as_dict()} for i in told.order]
        said = notice("likeness", warnings, told.sentence(), **facts)
        text = json.dumps({**facts, "images": listing, "warnings": warnings}, ensure_ascii=False, indent=1)
        return io.NodeOutput(images, told.likeness or 0.0, frames[told.order[0]], text, ui=said)
