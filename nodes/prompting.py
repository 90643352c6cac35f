"""The prompt on the canvas: the person's words, the person's look, and what the artist writes."""

from __future__ import annotations

from ..portrait import prompting
from ..portrait.subjects import Subject
from .api import io


class PortraitPrompt(io.ComfyNode):
    """Joins a prompt, with hair and the like from the subject's card where the artist says nothing of them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitPrompt",
            display_name="Portrait Prompt",
            category="Portrait Studio/Subjects",
            description="Joins the words of subject and pose, the look of the subject (hair, skin and the like) and "
            "your prompt. What you write about hair, skin, eyes, beard, freckles or glasses takes the place of what "
            "the subject's card says about it.",
            inputs=[
                io.String.Input(
                    "words", force_input=True, optional=True, tooltip="The words of subject and pose; they come first."
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="Clothes, expression, background, light. Name hair or skin only to change them.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, from Load Subject: gives the look."
                ),
            ],
            outputs=[io.String.Output(display_name="prompt", tooltip="All of it, to be encoded.")],
        )

    @classmethod
    def execute(cls, prompt: str, words: str | None = None, subject: Subject | None = None) -> io.NodeOutput:
        """Join the parts."""
        return io.NodeOutput(prompting.joined(words or "", subject.look if subject else "", prompt))
