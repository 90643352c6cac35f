"""Graphs without a browser: read, convert, parametrise and check them before anything is queued."""

from .conversion import prune, to_api
from .document import GraphError, UIGraph, is_api, parse, read

__all__ = ["GraphError", "UIGraph", "is_api", "parse", "prune", "read", "to_api"]
