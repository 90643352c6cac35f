"""The one module that imports ComfyUI's V3 node API, so that a change of that API is met in one place."""

try:
    from comfy_api.latest import ComfyExtension, io, ui
except ImportError as error:  # ComfyUI writes the sentence into its log and goes on without the pack
    raise ImportError(
        f"Portrait Studio needs a ComfyUI with the V3 node API, and this one lacks it ({error}); update ComfyUI."
    ) from None

__all__ = ["ComfyExtension", "advanced", "io", "ui"]


def advanced(*inputs: io.WidgetInput) -> list[io.WidgetInput]:
    """Return widgets that the canvas folds away behind *advanced*; a host of 2025 has no argument for it."""
    for one in inputs:
        one.extra_dict = {**(one.extra_dict or {}), "advanced": True}
    return list(inputs)
