"""Which layout a base checkpoint has, read from the header of the file alone."""

from __future__ import annotations

from pathlib import Path

from ...portrait import subjects
from .data import table
from .errors import KohyaError


def layout(path: Path) -> str:
    """Return "sd15" or "sdxl".

    No tensor is read. sd-scripts builds both networks with the published sizes, so one with other sizes (the pocket
    checkpoint, SD2, a pruned network) cannot be loaded there. Raises KohyaError naming the file and the first size
    that differs, SubjectError when it is not a whole .safetensors file.
    """
    shapes = {name: list(shape) for name, shape in subjects.check_safetensors(path).shapes.items()}
    layouts = table("layouts")
    for name, wanted in layouts.items():
        if all(shapes.get(key) == shape for key, shape in wanted["shapes"].items()):
            return name
    for wanted in layouts.values():
        if any(key in shapes for key in wanted["told_by"]):
            key, shape = next((key, shape) for key, shape in wanted["shapes"].items() if shapes.get(key) != shape)
            size = "x".join(map(str, shape))
            found = (
                f"is {'x'.join(map(str, shapes[key]))} instead of {size}" if key in shapes else f"({size}) is missing"
            )
            raise KohyaError(
                f"{path.name} is laid out as {wanted['name']} but {key} {found}, and sd-scripts loads nothing else; "
                "use the native trainer for it."
            )
    raise KohyaError(
        f"{path.name} is not an SD1.5 or SDXL checkpoint; choose one that holds UNet, text encoder and VAE."
    )


def script(name: str) -> str:
    """Return the training script of sd-scripts for a layout."""
    return str(table("layouts")[name]["script"])
