"""The one module that imports ComfyUI's V3 node API, so that a change of that API is met in one place."""

from comfy_api.latest import ComfyExtension, io, ui

__all__ = ["ComfyExtension", "io", "ui"]
