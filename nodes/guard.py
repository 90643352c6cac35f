"""A stage held to the person, on the canvas."""

from __future__ import annotations

from typing import Any

import torch

from ..portrait import guard, identity
from ..portrait.errors import PortraitError
from ..portrait.tensors import image_photos
from .api import io
from .notice import nobody_known, notice


class PortraitIdentityGuard(io.ComfyNode):
    """The picture after a stage, a blend of its face, or the picture before: whichever keeps the person."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitIdentityGuard",
            display_name="Identity Guard",
            category="Portrait Studio/Identity",
            description="Compares a picture before and after a stage with the person. Keeps the picture after; if that "
            "lost too much likeness, a blend of the face; if no blend keeps the person, the picture before.",
            inputs=[
                io.Image.Input("before", tooltip="The picture before the stage."),
                io.Image.Input("after", tooltip="The same picture after the stage. It may be larger."),
                io.Float.Input(
                    "allowed_loss",
                    default=0.05,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="How much likeness (cosine of face embeddings) the stage may cost.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, with reference embeddings."
                ),
                io.Image.Input(
                    "references",
                    optional=True,
                    tooltip="Photos of the person, for a subject without references of its own.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="What was kept, at the size of the picture after."),
                io.Float.Output(
                    display_name="likeness", tooltip="Its mean likeness to the person; 0 if nothing could be measured."
                ),
                io.String.Output(display_name="said", tooltip="What was kept and why, one sentence per picture."),
            ],
        )

    @classmethod
    def execute(
        cls,
        before: torch.Tensor,
        after: torch.Tensor,
        allowed_loss: float,
        subject: Any = None,
        references: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        """Hold every picture of a batch to the person."""
        if len(before) not in (1, len(after)):
            raise PortraitError(
                f"{len(before)} pictures came before the stage and {len(after)} after it; connect as many before as "
                "after, or one."
            )
        photos = image_photos([] if references is None else [references])
        known, embedder = identity.known_faces(subject, photos)
        if known is None:
            warning = f"{nobody_known(photos)}; the picture after the stage is kept unchecked."
            return io.NodeOutput(after, 0.0, warning, ui=notice("guard", [warning], pictures=[]))
        look = guard.person_in(known, embedder)
        pairs = zip(before.expand(len(after), *before.shape[1:]), after, strict=True)
        pictures, kept = zip(*(guard.guard(was, now, look, allowed_loss) for was, now in pairs), strict=True)
        sentences = [one.sentence for one in kept]
        if len(kept) > 1:
            sentences = [f"Picture {number}: {sentence}" for number, sentence in enumerate(sentences, 1)]
        held = [sentence for one, sentence in zip(kept, sentences, strict=True) if one.choice != "after"]
        passed = [sentence for one, sentence in zip(kept, sentences, strict=True) if one.choice == "after"]
        measured = [one.likeness for one in kept if one.likeness is not None]
        said = notice(
            "guard",
            held,
            "\n".join(passed),
            pictures=[
                {
                    "choice": one.choice,
                    "share": round(one.share, 4),
                    "before": identity.rounded(one.before),
                    "after": identity.rounded(one.after),
                    "likeness": identity.rounded(one.likeness),
                }
                for one in kept
            ],
            backend=embedder.name,
        )
        mean = sum(measured) / len(measured) if measured else 0.0
        # A stage that kept every picture hands on the very tensor, with what it remembers of its file.
        result = after if not held else torch.stack(list(pictures))
        return io.NodeOutput(result, mean, "\n".join(sentences), ui=said)
