"""Subjects on their way from one host to another: what the command line sends when a batch runs on several."""

from __future__ import annotations

import json
import time
from pathlib import Path

import folder_paths

from ..portrait import parcels, presets, subjects
from .api import io
from .folders import own_folder
from .notice import notice


class PortraitHandOverSubject(io.ComfyNode):
    """A subject's files, cut into pieces that can be fetched."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitHandOverSubject",
            display_name="Hand Over Subject",
            category="Portrait Studio/Subjects",
            description="Puts copies of a subject's files into ComfyUI's temporary folder, for the command line to "
            "bring them to another host of a batch.",
            inputs=[
                io.Combo.Input(
                    "subject",
                    options=[subjects.NONE, *subjects.names(own_folder("subjects"))],
                    default=subjects.NONE,
                    tooltip="The person, from models/portrait_studio/subjects. The LoRA, the card and the reference "
                    "faces are handed over; photos and the state of a training are not.",
                ),
            ],
            outputs=[io.String.Output(display_name="parcel", tooltip="The list of the pieces, as JSON.")],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, subject: str | None = None) -> bool | str:
        """Refuse an unknown subject before anything runs; ComfyUI does not."""
        return presets.refusal("subject", subject, subjects.names(own_folder("subjects"))) or True

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> int:
        """Run every time: the pieces of the last run may be gone."""
        return time.time_ns()

    @classmethod
    def execute(cls, subject: str) -> io.NodeOutput:
        """Cut up the subject."""
        told = parcels.hand_over(subject, own_folder("subjects"), _folder())
        size = sum(part["bytes"] for part in told["parts"].values())
        ui = notice("parcel", text=f"{subject}: {size / 1e6:.1f} MB", **told)
        return io.NodeOutput(json.dumps(told, ensure_ascii=False, indent=1), ui=ui)


class PortraitTakeInSubject(io.ComfyNode):
    """A subject from the pieces that were uploaded, once all of it is found good."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitTakeInSubject",
            display_name="Take In Subject",
            category="Portrait Studio/Subjects",
            description="Checks the files of a subject that the command line has uploaded, and puts them among the "
            "subjects of this host. A subject that is here already is never replaced.",
            inputs=[
                io.String.Input("name", default="", tooltip="The name of the subject."),
                io.String.Input("card", default="", tooltip="The sha256 of its card."),
                io.String.Input("lora", default="", tooltip="The sha256 of its LoRA, a safetensors file."),
                io.String.Input(
                    "references",
                    default="",
                    tooltip="The sha256 of its reference faces; empty when the subject has none.",
                ),
            ],
            outputs=[io.String.Output(display_name="name", tooltip="The name of the subject.")],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> int:
        """Run every time: the subject may have been deleted since."""
        return time.time_ns()

    @classmethod
    def execute(cls, name: str, card: str, lora: str, references: str) -> io.NodeOutput:
        """Check and keep the subject."""
        hashes = {"card": card.strip(), "lora": lora.strip(), "references": references.strip()}
        new = parcels.take_in(name, hashes, _folder(), own_folder("subjects"))
        text = f"{name} is here now" if new else f"{name} was here already"
        return io.NodeOutput(name, ui=notice("taken_in", text=text, name=name, new=new))


def _folder() -> Path:
    return Path(folder_paths.get_temp_directory()) / parcels.FOLDER
