"""Graphs without a browser: read, convert, parametrise and check them before anything is queued."""

from .checking import Finding, check, check_prompt
from .conversion import is_link, prompt_cycle, prune, to_api
from .document import GraphError, UIGraph, is_api, parse, read
from .parameters import Parameter, Stage, apply, declared, parameters, photo_input, stages

__all__ = [
    "Finding",
    "GraphError",
    "Parameter",
    "Stage",
    "UIGraph",
    "apply",
    "check",
    "check_prompt",
    "declared",
    "is_api",
    "is_link",
    "parameters",
    "parse",
    "photo_input",
    "prompt_cycle",
    "prune",
    "read",
    "stages",
    "to_api",
]
