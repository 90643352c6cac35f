"""How a node is named in every sentence that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .limits import words


def node_name(node: object, title: object, kind: object = "") -> str:
    """Return a node's title, or its class where it has no title, and its id: "Face Detailer (node 12)"."""
    return f"{title or kind or 'a node'} (node {node})"


def prompt_node_name(prompt: Mapping[str, Any], node: str, kind: object = "") -> str:
    """Return the name of a node of an API prompt; `kind` is its class where the prompt does not have the node."""
    body = prompt.get(node)
    own = body.get("class_type") if isinstance(body, Mapping) else None
    return node_name(words(node), title_of(body), words(own or kind))


def title_of(body: Any) -> str:
    """Return the title that a node of an API prompt was given, empty when it has none."""
    meta = body.get("_meta") if isinstance(body, Mapping) else None
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return words(title) if isinstance(title, str) else ""
