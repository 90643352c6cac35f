"""The pocket models on the canvas: put together when an artist asks for them, never by themselves."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..pocket.assemble import WEIGHTS, Place, assemble, places
from ..portrait.errors import PortraitError
from .api import io
from .folders import own_folder
from .notice import notice

NOWHERE = "not on this ComfyUI"
ADDRESS = "https://github.com/portrait-studio/portrait-studio/releases"


def _places() -> dict[str, Place]:
    return places(own_folder("pocket"), Path(folder_paths.get_input_directory()))


class PortraitPocketModels(io.ComfyNode):
    """Shards to ordinary model files: a checkpoint, two ControlNets and an upscaler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        found = list(_places()) or [NOWHERE]
        return io.Schema(
            node_id="PortraitPocketModels",
            display_name="Pocket Models",
            category="Portrait Studio/Models",
            description="Makes the small models that the graphs start with: 33 MB of weights become four files, 400 "
            "MB in total, in ComfyUI's models folder. They are for trying things out. Portraits of people need a real "
            "checkpoint.",
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=found,
                    default=found[0],
                    tooltip="Where the weights are: in this pack if it was cloned with git, or in pocket-weights.zip, "
                    "which you put into models/portrait_studio/pocket or into input.",
                ),
            ],
            outputs=[io.String.Output(display_name="files", tooltip="The files that were made, one per line.")],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def execute(cls, weights: str) -> io.NodeOutput:
        """Assemble; what is there already is only checked."""
        found = _places()
        if weights not in found:
            raise PortraitError(
                f"The pocket models' weights are {weights if weights == NOWHERE else 'no longer ' + weights}: put "
                f"pocket-weights.zip from {ADDRESS} into models/portrait_studio/pocket, or use real models."
            )
        models = Path(folder_paths.models_dir)
        made = [path.relative_to(models).as_posix() for path in assemble(models, found[weights], pins_dir=WEIGHTS)]
        text = f"Ready: {', '.join(made)}. Press r to find them in the loaders."
        return io.NodeOutput("\n".join(made), ui=notice("pocket_models", text=text, files=made))
