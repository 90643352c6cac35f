"""Retouch on the canvas."""

from __future__ import annotations

from typing import Any

import torch

from ..portrait import faces as finder
from ..portrait import identity
from ..portrait import retouch as skin
from ..portrait.tensors import to_uint8
from .api import io
from .notice import notice


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
        report = skin.measured(image, done, known, embedder)
        warnings = [
            f"No face was found in picture {number}; it passes through unchanged."
            for number, own in enumerate(found, 1)
            if not own
        ]
        kept = min(report.kept, default=None)
        if kept is not None and kept < skin.LEAST_KEPT:
            warnings.append(
                f"A face kept only {kept:.2f} of its likeness (cosine to before; it should keep {skin.LEAST_KEPT}); "
                "lower the strength."
            )
        count = sum(face.blemishes for face in done.faces)
        text = f"{len(done.faces)} faces, {count} blemishes healed"
        if kept is not None:
            text += f", likeness to before {kept:.3f}"
        if report.before is not None and report.after is not None:
            text += f", to the person {report.before:.3f} before, {report.after:.3f} after"
        said = notice(
            "retouch",
            warnings,
            text,
            faces=len(done.faces),
            blemishes=count,
            kept=identity.rounded(kept),
            before=identity.rounded(report.before),
            after=identity.rounded(report.after),
            backend=embedder.name,
        )
        return io.NodeOutput(done.images, done.skin, ui=said)
