"""The family of a checkpoint on the canvas: one choice that a graph of ours follows, checked against the file."""

from __future__ import annotations

from typing import Any

from ..portrait.errors import PortraitError
from .api import io
from .notice import notice

POCKET, SD15, SDXL, CUSTOM = "pocket", "SD1.5", "SDXL", "custom"
FAMILIES = [POCKET, SD15, SDXL, CUSTOM]
_SD15_WIDEST = 4  # the widest level of SD1.5's network, in multiples of its narrowest; the pocket one has no such level


class PortraitModelFamily(io.ComfyNode):
    """Says what a graph is set for, and stops when the checkpoint is of another kind."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitModelFamily",
            display_name="Model Family",
            category="Portrait Studio/Models",
            description="What the graph is set for. In the graphs of Portrait Studio this one choice sets sizes, "
            "steps, guidance and model files everywhere. When the graph runs, the checkpoint is checked against it.",
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint's diffusion model."),
                io.Combo.Input(
                    "family",
                    options=FAMILIES,
                    default=CUSTOM,
                    tooltip="pocket: the small models of the pack, for trying. SD1.5 and SDXL: real checkpoints. "
                    "custom: nothing is set and nothing is checked.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The same model.")],
        )

    @classmethod
    def execute(cls, model: Any, family: str) -> io.NodeOutput:
        """Pass the model on; one that would not fit the rest of the graph is an error, a wrong size a warning."""
        found = kind_of(model)
        if family in (CUSTOM, found):
            return io.NodeOutput(model)
        if {family, found} == {POCKET, SD15}:  # everything fits, at the other's sizes
            warning = f"The checkpoint is {found}, but sizes and steps are set for {family}; choose {found} as family."
            return io.NodeOutput(model, ui=notice("family", [warning]))
        choose = f"choose {found} as family" if found in FAMILIES else f"choose {CUSTOM} as family"
        raise PortraitError(
            f"The checkpoint is {found}, but the graph is set for {family}; {choose}, or load a checkpoint that is "
            f"{family}."
        )


def kind_of(model: Any) -> str:
    """Return the family of a MODEL: pocket, SD1.5, SDXL, or ComfyUI's own name of any other kind."""
    from ..trainer import host

    config = model.model.model_config
    if isinstance(config, host.SDXL):
        return SDXL
    if isinstance(config, host.SD15):
        return SD15 if max(config.unet_config["channel_mult"]) >= _SD15_WIDEST else POCKET
    return type(config).__name__
