"""Turns the host's answer to a bad prompt into one sentence."""

from __future__ import annotations

from typing import Any


def describe(answer: dict[str, Any], prompt: dict[str, Any]) -> str:
    """Say why the host refused: `answer` is the body of POST /prompt, with `error` (in a 400) and `node_errors`.

    The host gives no detail at all for some graphs, a cycle among them.
    """
    reasons = []
    for node, found in (answer.get("node_errors") or {}).items():
        title = prompt.get(node, {}).get("_meta", {}).get("title") or found.get("class_type", "")
        for error in found.get("errors") or []:
            reasons.append(f"{title} (node {node}): {error.get('message', '')} ({error.get('details', '')})")
    if not reasons:
        error = answer.get("error") or {}
        if isinstance(error, str):
            error = {"message": error}
        details = str(error.get("details") or "").strip()
        reasons.append(f"{error.get('message') or 'no reason given'}" + (f" ({details})" if details else ""))
    return "The host refused the prompt: " + "; ".join(" ".join(reason.split()) for reason in reasons)
