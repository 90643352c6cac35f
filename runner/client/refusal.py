"""Turns the host's answer to a bad prompt into one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .answers import Submission
from .limits import words
from .naming import prompt_node_name

_MOST_REASONS = 8


def describe(answer: Submission, prompt: Mapping[str, Any]) -> str:
    """Say why the host refused a prompt.

    The host gives no detail at all for some graphs, a cycle among them.
    """
    reasons = [
        f"{prompt_node_name(prompt, node, kind)}: {message} ({details})"
        for node, (kind, errors) in answer.node_errors.items()
        for message, details in errors
    ]
    more = len(reasons) - _MOST_REASONS
    shown = [words(reason) for reason in reasons[:_MOST_REASONS]] or [words(answer.reason or "no reason given")]
    return "The host refused the prompt: " + "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
