"""Tones on the canvas."""

from __future__ import annotations

from pathlib import Path

import torch

from ..portrait import presets, tones
from .api import io
from .folders import own_folder


def _folders() -> tuple[Path, ...]:
    return tones.FOLDER, own_folder("tones")


def _joined(*parts: str) -> str:
    return ", ".join(text for text in (part.strip().strip(",").strip() for part in parts) if text)


class PortraitToneFilter(io.ComfyNode):
    """A look: a LUT on the picture, and the words and settings for sampling over it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitToneFilter",
            display_name="Tone Filter",
            category="Portrait Studio/Tones",
            description="Grades a picture with a tone preset while skin keeps its hue. Also returns the prompt words, "
            "denoise and CFG for the next image-to-image pass.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to grade."),
                io.Combo.Input(
                    "preset",
                    options=tones.names(_folders()),
                    default="warm-film",
                    tooltip="The look. Your own .toml, .json and .cube files in models/portrait_studio/tones appear "
                    "here too.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of the LUT to apply. 0 returns the picture unchanged, but still returns the "
                    "words.",
                ),
                io.Float.Input(
                    "skin_protection",
                    default=-1.0,
                    min=-1.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How strictly skin keeps its hue: 0 not at all, 1 completely. Below 0 uses the value of "
                    "the preset.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Your prompt. The words of the tone are added in front of it.",
                ),
                io.String.Input(
                    "negative",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Your negative prompt. The negative words of the tone are added in front of it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The graded picture."),
                io.String.Output(display_name="prompt", tooltip="The words of the tone, then your prompt."),
                io.String.Output(display_name="negative", tooltip="The negative words of the tone, then yours."),
                io.Float.Output(
                    display_name="denoise", tooltip="A denoise for the next pass that does not lose the person."
                ),
                io.Float.Output(display_name="cfg", tooltip="The CFG that suits the tone."),
            ],
        )

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        """Refuse an unknown preset before anything runs; ComfyUI does not."""
        return presets.refusal("tone preset", preset, tones.names(_folders())) or True

    @classmethod
    def fingerprint_inputs(cls, preset: str | None = None, **_: object) -> tuple[str | None, int]:
        """Run again when the preset's file has changed."""
        return presets.fingerprint(preset, _folders(), tones.SUFFIXES)

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        preset: str,
        strength: float,
        skin_protection: float,
        prompt: str = "",
        negative: str = "",
    ) -> io.NodeOutput:
        """Grade the picture and join the words."""
        tone = tones.load(preset, _folders())
        if strength > 0:
            lut = tone.protected_lut(None if skin_protection < 0 else skin_protection)
            image = tones.apply(image, lut, strength)
        return io.NodeOutput(
            image, _joined(tone.words, prompt), _joined(tone.negative, negative), tone.denoise, tone.cfg
        )
