"""What a node says beside its outputs: to the headless runner, and on the node in the browser (web/js/said.js)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

EVENT = "portrait_studio.said"


def notice(kind: str, warnings: Sequence[str] = (), text: str = "", **facts: Any) -> dict[str, list]:
    """Return a node's `ui`: `portrait_studio` with one fact sheet, and `text` for the canvas, warnings first."""
    lines = [*(f"Warning: {warning}" for warning in warnings), *([text] if text else [])]
    return {"portrait_studio": [{"kind": kind, **facts, "warnings": list(warnings)}], "text": ["\n".join(lines)]}


def nobody_known(photos: Sequence[Any]) -> str:
    """Return why nobody is known to measure against: the reference photos show no face, or there are none."""
    if photos:
        return "No face was found in the reference photos"
    return "No subject or reference photos are connected"


def nobody_found(faces: Sequence[Sequence[Any]]) -> list[str]:
    """Return a sentence for each picture of a batch that has no face; `faces` has the faces of each picture."""
    return [
        f"No face was found in picture {number}; it passes through unchanged."
        for number, own in enumerate(faces, 1)
        if not own
    ]


def tell(node: str | None, text: str, **facts: Any) -> None:
    """Show `text` on a node while it works, in the browser that queued the run; `node` is the node's unique id.

    `facts` are `curve`, a list of (step, likeness), and `likeness`. ComfyUI's own send_progress_text is not used: what
    it shows is saved into the graph by frontends of 2025, as one value more than the node has widgets.
    """
    from server import PromptServer

    server = PromptServer.instance
    # Without a client's id the message would go to every browser that is open, other people's too.
    if node is not None and server is not None and server.client_id is not None:
        server.send_sync(EVENT, {"node": node, "text": text, **facts}, server.client_id)
