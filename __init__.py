"""Portrait Studio: ComfyUI's door to the pack. Everything else lives in nodes/, portrait/, trainer/ and runner/."""

import importlib
import importlib.util
import logging
import re

OLDEST = "0.3.75"


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


def _too_old() -> str:
    """Return the version of the ComfyUI that loads the pack when it is older than OLDEST, else nothing."""
    if not importlib.util.find_spec("comfyui_version"):
        return ""  # no ComfyUI at all: the command line
    version = importlib.import_module("comfyui_version").__version__
    return version if _version(version) < _version(OLDEST) else ""


if _found := _too_old():
    logging.getLogger("portrait_studio").warning(
        "Portrait Studio is not loaded: it needs ComfyUI %s or newer, and this is %s; update ComfyUI.", OLDEST, _found
    )
else:
    WEB_DIRECTORY = "./web"

    async def comfy_entrypoint():
        """Give ComfyUI the extension; called once at start-up by its loader for V3 packs."""
        from .nodes import PortraitStudioExtension

        return PortraitStudioExtension()
