"""Retouch on the canvas."""

from __future__ import annotations

from typing import Any

import torch

from ..portrait import faces as finder
from ..portrait import identity, kept
from ..portrait import retouch as skin
from ..portrait.tensors import to_uint8
from .api import io
from .notice import nobody_found, notice


class PortraitRetouch(io.ComfyNode):
    """Blemishes out of faces, pores and moles kept."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitRetouch",
            display_name="Retouch",
            category="Portrait Studio/Faces",
            description="Heals red blemishes on the skin of every face and evens out blotches. Pores, moles, freckles "
            "and everything outside the skin stay. Says how much of the likeness was kept.",
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch."),
                io.Float.Input(
                    "strength",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of a blemish or a blotch goes away; 0 returns the picture unchanged.",
                ),
                io.Float.Input(
                    "evenness",
                    default=0.4,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of what is blotchy is evened out; 0 heals blemishes only.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, to measure their likeness before and after."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces retouched."),
                io.Mask.Output(display_name="skin", tooltip="The skin that was worked on."),
            ],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, strength: float, evenness: float, subject: Any = None) -> io.NodeOutput:
        """Retouch, and measure the faces before and after."""
        found = finder.detect_all([to_uint8(frame) for frame in image])
        done = skin.retouch(image, found, strength, evenness)
        known, embedder = identity.known_faces(subject, []) if subject is not None else (None, identity.embedder())
        report = kept.measured(image, done.images, done.faces, known, embedder)
        warnings = nobody_found(found)
        least = min(report.kept, default=None)
        if least is not None and least < skin.LEAST_KEPT:
            warnings.append(
                f"A face kept only {least:.2f} of its likeness (cosine to before; it should keep {skin.LEAST_KEPT}); "
                "lower the strength."
            )
        count = sum(face.blemishes for face in done.faces)
        said = notice(
            "retouch",
            warnings,
            f"{len(done.faces)} faces, {count} blemishes healed{report.words}",
            faces=len(done.faces),
            blemishes=count,
            kept=identity.rounded(least),
            before=identity.rounded(report.before),
            after=identity.rounded(report.after),
            backend=embedder.name,
        )
        return io.NodeOutput(done.images, done.skin, ui=said)
