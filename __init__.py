"""Portrait Studio: ComfyUI's door to the pack. Everything else lives in nodes/, portrait/, trainer/ and runner/."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Give ComfyUI the extension; called once at start-up by its loader for V3 packs."""
    from .nodes import PortraitStudioExtension

    return PortraitStudioExtension()
