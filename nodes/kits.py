"""Kits on the canvas: what all stages of a graph share, on one link instead of a dozen."""

from __future__ import annotations

from typing import Any

from ..portrait.errors import PortraitError
from .api import io

KIT = io.Custom("PORTRAIT_KIT")
# What a kit can hold, in the order of the sockets: its type, what it is, and whether a stage does without it.
HELD = (
    (io.Model, "model", "The diffusion model, with the subject's LoRA in it.", False),
    (io.Clip, "clip", "The text encoder.", False),
    (io.Vae, "vae", "The VAE.", False),
    (io.Custom("PORTRAIT_SUBJECT"), "subject", "The person.", True),
    (io.Image, "references", "Photos of the person, to measure likeness against.", True),
    (io.String, "words", "The prompt so far.", False),
    (io.String, "negative_words", "The negative prompt.", False),
    (io.Conditioning, "positive", "The encoded prompt.", False),
    (io.Conditioning, "negative", "The encoded negative prompt.", False),
    (io.Conditioning, "tone_positive", "The prompt with the tone's words, encoded.", False),
    (io.Conditioning, "tone_negative", "The negative prompt with the tone's words, encoded.", False),
    (io.Image, "pose", "The OpenPose map.", False),
    (io.Latent, "canvas", "The empty canvas, in the size of the pose.", False),
    (io.Int, "seed", "The seed of every stage.", False),
    (io.Int, "steps", "The steps of every stage that has none of its own.", False),
    (io.Float, "cfg", "The guidance of every stage that has none of its own.", False),
    (io.Float, "size", "The size at which details are sampled, in pixels.", False),
)
NUMBERS_AND_TEXTS = (io.Int, io.Float, io.String)


class PortraitKit(io.ComfyNode):
    """Puts what the stages of a graph share on one link."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitKit",
            display_name="Kit",
            category="Portrait Studio/Kit",
            description="Puts what all stages of a graph share on one link: model, person, words, seed. What is "
            "connected here takes the place of what the kit before held.",
            is_input_list=True,  # the photos of a person are a list
            inputs=[
                KIT.Input("kit", optional=True, tooltip="A kit to add to. It stays as it is."),
                *(_socket(*one) for one in HELD),
            ],
            outputs=[KIT.Output(display_name="kit", tooltip="The kit, for the next block.")],
        )

    @classmethod
    def execute(cls, kit: list[dict[str, Any]] | None = None, **given: list[Any]) -> io.NodeOutput:
        """Return the kit before with what is connected here."""
        made = dict(kit[0]) if kit else {}
        for _, name, _, _ in HELD:
            held = given.get(name)
            if held is None:
                continue
            if name != "references" and len(held) > 1:
                raise PortraitError(
                    f"{len(held)} of {name!r} came to the kit, and it holds one; connect a node that gives one."
                )
            made[name] = held
        return io.NodeOutput(made)


class PortraitOpenKit(io.ComfyNode):
    """Gives what a kit holds."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitOpenKit",
            display_name="Open Kit",
            category="Portrait Studio/Kit",
            description="Gives what a kit holds to the nodes of a block, and the kit itself for the next block.",
            inputs=[KIT.Input("kit", tooltip="The kit that a Kit node made.")],
            outputs=[
                KIT.Output(display_name="kit", tooltip="The kit itself, for the next block."),
                *(
                    kind.Output(f"out_{name}", display_name=name, tooltip=tooltip, is_output_list=name == "references")
                    for kind, name, tooltip, _ in HELD
                ),
            ],
        )

    @classmethod
    def execute(cls, kit: dict[str, Any]) -> io.NodeOutput:
        """Return every part; what is not held stops the nodes that need it, with a sentence."""
        from ..trainer.host import ExecutionBlocker

        def part(name: str, spare: bool) -> list[Any]:
            if name in kit or spare:
                return kit.get(name, [] if name == "references" else [None])
            return [ExecutionBlocker(f"The kit holds no {name}; connect one to a Kit node before this block.")]

        parts = {name: part(name, spare) for _, name, _, spare in HELD}
        return io.NodeOutput(kit, *(held if name == "references" else held[0] for name, held in parts.items()))


def _socket(kind: Any, name: str, tooltip: str, _spare: bool) -> Any:
    more = {"force_input": True} if kind in NUMBERS_AND_TEXTS else {}
    return kind.Input(name, optional=True, tooltip=tooltip, **more)
